/* Music: Suno's and Producer's actions, and the unified forms of both.
 *
 * An action is a word in the path. Few of these words were seen in a gateway's documents; the
 * others are what the names of the features make likely, and "suno.submit" and "producer.submit"
 * take any other. */
#include "endpoints.h"

#define JOB(form)                                                          \
  .method = "POST", .body = LEAT_BODY_JSON, .reply = LEAT_REPLY_KIND_TASK, \
  .group = LEAT_REPLY_TASK, .task = (form), .once = true
#define QUERY(form) .method = "GET", .group = LEAT_REPLY_TASK, .task = (form)

#define SUNO(action)     JOB("suno"), .path = "/suno/submit/" action
#define PRODUCER(action) JOB("producer"), .path = "/producer/submit/" action

const leat_endpoint lti_endpoints_suno[] = {
    LTI_ENDPOINT(.name = "suno.music", .summary = "a song", SUNO("MUSIC"), .confirmed = true),
    LTI_ENDPOINT(.name = "suno.lyrics", .summary = "lyrics of a prompt", SUNO("LYRICS"),
                 .confirmed = true),
    LTI_ENDPOINT(.name = "suno.extend", .summary = "a song goes on", SUNO("EXTEND")),
    LTI_ENDPOINT(.name = "suno.cover", .summary = "a song in another style", SUNO("COVER")),
    LTI_ENDPOINT(.name = "suno.stems", .summary = "a song's voice and accompaniment",
                 SUNO("STEMS")),
    LTI_ENDPOINT(.name = "suno.stems_full", .summary = "each instrument of a song",
                 SUNO("STEMS_FULL")),
    LTI_ENDPOINT(.name = "suno.add_vocals", .summary = "an accompaniment gets a voice",
                 SUNO("ADD_VOCALS")),
    LTI_ENDPOINT(.name = "suno.add_instrumental", .summary = "a voice gets an accompaniment",
                 SUNO("ADD_INSTRUMENTAL")),
    LTI_ENDPOINT(.name = "suno.replace_section", .summary = "a part of a song, made anew",
                 SUNO("REPLACE_SECTION")),
    LTI_ENDPOINT(.name = "suno.remaster", .summary = "a song, mixed anew", SUNO("REMASTER")),
    LTI_ENDPOINT(.name = "suno.mashup", .summary = "two songs in one", SUNO("MASHUP")),
    LTI_ENDPOINT(.name = "suno.sample", .summary = "a song made of a sample", SUNO("SAMPLE")),
    LTI_ENDPOINT(.name = "suno.sounds", .summary = "sound effects", SUNO("SOUNDS")),
    LTI_ENDPOINT(.name = "suno.midi", .summary = "a song's notes", SUNO("MIDI")),
    LTI_ENDPOINT(.name = "suno.upload", .summary = "sound of one's own", SUNO("UPLOAD")),
    LTI_ENDPOINT(.name = "suno.concat", .summary = "a song and what extends it, in one",
                 SUNO("CONCAT")),
    LTI_ENDPOINT(.name = "suno.aligned_lyrics", .summary = "lyrics with their times",
                 SUNO("ALIGNED_LYRICS")),
    LTI_ENDPOINT(.name = "suno.video", .summary = "a song's video", SUNO("VIDEO")),
    LTI_ENDPOINT(.name = "suno.wav", .summary = "a song as WAV", SUNO("WAV")),
    LTI_ENDPOINT(.name = "suno.persona", .summary = "a voice to use again", SUNO("PERSONA")),
    LTI_ENDPOINT(.name = "suno.bpm", .summary = "a song's beats a minute", SUNO("BPM")),
    LTI_ENDPOINT(.name = "suno.vox", .summary = "a song's voice", SUNO("VOX")),
    LTI_ENDPOINT(.name = "suno.upsample_tags", .summary = "better words for a style",
                 SUNO("UPSAMPLE_TAGS"), .confirmed = true),
    LTI_ENDPOINT(.name = "suno.submit", .summary = "any other action", JOB("suno"),
                 .path = "/suno/submit/{action}", .confirmed = true),
    LTI_ENDPOINT(.name = "suno.fetch", .summary = "where a job stands", QUERY("suno"),
                 .path = "/suno/fetch/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "suno.fetch_batch", .summary = "where many jobs stand", .method = "POST",
                 .path = "/suno/fetch", .body = LEAT_BODY_JSON, .task = "suno", .confirmed = true),
    LTI_ENDPOINT(.name = "unified.suno_generate", .summary = "Suno's music in its unified form",
                 JOB("unified_suno"), .path = "/suno/generate"),
    LTI_ENDPOINT(.name = "unified.suno_fetch", .summary = "where it stands", QUERY("unified_suno"),
                 .path = "/suno/fetch/{id}"),
    {.name = NULL},
};

const leat_endpoint lti_endpoints_producer[] = {
    LTI_ENDPOINT(.name = "producer.music", .summary = "a song", PRODUCER("MUSIC"),
                 .confirmed = true),
    LTI_ENDPOINT(.name = "producer.lyrics", .summary = "lyrics of a prompt", PRODUCER("LYRICS")),
    LTI_ENDPOINT(.name = "producer.extend", .summary = "a song goes on", PRODUCER("EXTEND")),
    LTI_ENDPOINT(.name = "producer.cover", .summary = "a song in another style", PRODUCER("COVER")),
    LTI_ENDPOINT(.name = "producer.variation", .summary = "a song, a little different",
                 PRODUCER("VARIATION")),
    LTI_ENDPOINT(.name = "producer.replace", .summary = "a track or segment, made anew",
                 PRODUCER("REPLACE"), .confirmed = true),
    LTI_ENDPOINT(.name = "producer.swap_vocals", .summary = "another voice",
                 PRODUCER("SWAP_VOCALS")),
    LTI_ENDPOINT(.name = "producer.swap_instrumentals", .summary = "another accompaniment",
                 PRODUCER("SWAP_INSTRUMENTALS")),
    LTI_ENDPOINT(.name = "producer.stems", .summary = "a song's parts", PRODUCER("STEMS")),
    LTI_ENDPOINT(.name = "producer.download", .summary = "a song as a file", PRODUCER("DOWNLOAD")),
    LTI_ENDPOINT(.name = "producer.upload", .summary = "sound of one's own", PRODUCER("UPLOAD")),
    LTI_ENDPOINT(.name = "producer.video", .summary = "a song's video", PRODUCER("VIDEO")),
    LTI_ENDPOINT(.name = "producer.submit", .summary = "any other action", JOB("producer"),
                 .path = "/producer/submit/{action}", .confirmed = true),
    LTI_ENDPOINT(.name = "producer.fetch", .summary = "where a job stands", QUERY("producer"),
                 .path = "/producer/fetch/{id}", .confirmed = true),
    LTI_ENDPOINT(.name = "producer.fetch_batch", .summary = "where many jobs stand",
                 .method = "POST", .path = "/producer/fetch", .body = LEAT_BODY_JSON,
                 .task = "producer", .confirmed = true),
    LTI_ENDPOINT(.name = "unified.producer_generate",
                 .summary = "Producer's music in its unified form", JOB("unified_producer"),
                 .path = "/producer/generate"),
    LTI_ENDPOINT(.name = "unified.producer_fetch", .summary = "where it stands",
                 QUERY("unified_producer"), .path = "/producer/fetch/{id}"),
    {.name = NULL},
};
