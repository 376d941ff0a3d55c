"""Writes a tokenizer of single words to a folder, in the form that harnesses load, because no hub
can be asked for one. Run by the Python of a harness that has the packages `tokenizers` and
`transformers`.

usage: tokenizer.py FOLDER"""
import sys

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

WORDS = 2000


def main():
    known = {"<unk>": 0, "</s>": 1, **{f"w{i}": i + 2 for i in range(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>",
                            eos_token="</s>").save_pretrained(sys.argv[1])


if __name__ == "__main__":
    main()
