# bash completion for leat. test/e2e/test_cli_docs.py compares it with `leat COMMAND --help`.

_leat_options() {
  local reach="--base-url --api-key --key-file --auth --allow-plain-key --model --proxy --no-proxy --cert
    --key --tls-max --cacert --insecure --header --resolve --connect-timeout --head-timeout
    --timeout --trace --json --quiet --help"
  local network="$reach --prompt --body --http --connections --streams --coalesce --retries"
  local pace="--rpm --tpm --learn-limits"
  local chats="--protocol --system --max-tokens --temperature --top-p --seed --stop
    --reasoning-effort --extra-body --no-stream --no-usage --chat-path --first-timeout
    --gap-timeout"
  case $1 in
    chat) echo "$network --metrics $pace $chats --show-reasoning" ;;
    ws) echo "$reach --protocol --subprotocol --key-in --binary --wait --ping --message-max" ;;
    load)
      echo "$network $chats --requests --concurrency --duration --rate --arrivals --burstiness
        --ramp --rate-stages --concurrency-stages --burst --burst-every --replay --replay-speed
        --sweep --slo --think --turns --warmup --end --drain-timeout --threads --endpoint --param
        --poll --deadline --polls-per-second --input-tokens --output-tokens
        --shared-prefix-tokens --tokens-by --vocabulary --dataset --dataset-order --template
        --goodput --require --strict --allow-failures --rx-timestamps --no-rx-timestamps --format --output --jsonl
        --events --title --repeat --pause --shard --start-at --config --print-config"
      ;;
    compare) echo "--run --repeat --pause --json --output --title --quiet --help" ;;
    report | merge)
      echo "--require --strict --json --format --output --title --quiet --help"
      ;;
    call)
      echo "$reach --body --http --connections --streams --coalesce --retries --metrics $pace
        --endpoints --set --set-json --param --form --stream --show-reasoning --output"
      ;;
    endpoints) echo "--endpoints --json --quiet --help" ;;
    task)
      echo "$network --metrics $pace --family --output --resume --poll --deadline --endpoints --input --journal
        --resubmit --concurrency --polls-per-second"
      ;;
    decode) echo "--sse --protocol --group --split --quiet --help" ;;
    demo) echo "--chats --tasks --http --seed --connections --trace --json --quiet --help" ;;
    mock)
      echo "--host --port --plain --ca-out --cert --key --no-tickets --no-session-cache
        --require-key --auth --seed --ttft --gap --jitter --events --bytes --gzip --h2
        --h2-streams --h2-window --h2-window-delay --h2-coalesce --keepalive --requests-max
        --conns-max --fault --task-queued --task-time --task-fail --task-bytes
        --tasks-max --task-median --task-sigma --task-lost --task-stuck --task-absent
        --task-status --task-forms --task-urls --content-redirect --ledger
        --rpm --tpm --limit-window --limit-burst --polls-per-second --retry-after
        --in-flight-max --freeze --rx-stamps --tick
        --poll-envelope --poll-after --json --quiet --help"
      ;;
    help) echo "--help" ;;
  esac
}

_leat() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "chat ws decode load compare report merge task call endpoints mock demo help --help --version" -- "$current")
    return
  fi
  case $previous in
    --protocol)
      mapfile -t COMPREPLY < <(compgen -W "openai-chat openai-completions openai-responses anthropic gemini chat-ws responses-ws realtime realtime-beta json openai-images openai-speech openai-transcript" -- "$current")
      return
      ;;
    --group)
      mapfile -t COMPREPLY < <(compgen -W "images embeddings transcript models moderation rerank tokens files batches task error none" -- "$current")
      return
      ;;
    --http)
      mapfile -t COMPREPLY < <(compgen -W "auto 1.1 2" -- "$current")
      return
      ;;
    --key-in)
      mapfile -t COMPREPLY < <(compgen -W "header subprotocol" -- "$current")
      return
      ;;
    --tls-max)
      mapfile -t COMPREPLY < <(compgen -W "1.2 1.3" -- "$current")
      return
      ;;
    --auth)
      local ways="bearer raw x-api-key api-key x-goog-api-key query mj-api-secret none"
      [ "$command" = mock ] && ways="any strict"
      mapfile -t COMPREPLY < <(compgen -W "$ways" -- "$current")
      return
      ;;
    --arrivals)
      mapfile -t COMPREPLY < <(compgen -W "constant poisson gamma" -- "$current")
      return
      ;;
    --end)
      mapfile -t COMPREPLY < <(compgen -W "drain cut" -- "$current")
      return
      ;;
    --tokens-by)
      mapfile -t COMPREPLY < <(compgen -W "ids usage tokenize words" -- "$current")
      return
      ;;
    --dataset-order)
      mapfile -t COMPREPLY < <(compgen -W "file shuffle" -- "$current")
      return
      ;;
    --format)
      mapfile -t COMPREPLY < <(compgen -W "leat vllm aiperf" -- "$current")
      return
      ;;
    --poll-envelope)
      mapfile -t COMPREPLY < <(compgen -W "E1 E3" -- "$current")
      return
      ;;
    --key-file | --endpoints | --replay | --dataset | --jsonl | --config | --input | --journal | --body | -d | --cacert | --trace | --metrics | --output | -o | --ca-out | --cert | --key)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_leat_options "$command")" -- "$current")
  elif [ "$command" = help ]; then
    mapfile -t COMPREPLY < <(compgen -W "chat ws decode load compare report merge task call endpoints mock demo" -- "$current")
  elif [[ $command == call || $command == endpoints ]] && [ "$COMP_CWORD" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(leat endpoints -q 2> /dev/null | cut -d ' ' -f 1)" -- "$current")
  elif [ "$command" = task ] && [ "$COMP_CWORD" -eq 2 ]; then
    mapfile -t COMPREPLY < <(compgen -W "run submit wait" -- "$current")
  elif [[ $command == decode || $command == compare || $command == report || $command == merge ]] ||
    [ "$previous" = --json ]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -o filenames -F _leat leat
