#!/bin/sh
# Makes the small audio files of this folder with ffmpeg (5.1 was used): one second of a known signal in every format.
# The signal is also written as a formula in test/data/signal.ts, so that no original needs to be kept.
set -eu
cd "$(dirname "$0")"
left='0.4*sin(2*PI*440*t)*min(1\,t*10)'
right='0.3*sin(2*PI*1000*t)*min(1\,t*10)'
mono() { ffmpeg -v error -y -f lavfi -i "aevalsrc=exprs=$left:s=$1:d=1" -bitexact "$2" $3 "$4"; }
stereo() { ffmpeg -v error -y -f lavfi -i "aevalsrc=exprs=$left|$right:s=$1:d=1" -bitexact "$2" $3 "$4"; }
mono 16000 -c:a 'libmp3lame -b:a 32k' mono.mp3
stereo 44100 -c:a 'libmp3lame -b:a 48k' stereo.mp3
mono 8000 -c:a 'flac -sample_fmt s16 -metadata_header_padding 16' mono.flac
stereo 8000 -c:a 'flac -sample_fmt s16 -metadata_header_padding 16' stereo.flac
mono 16000 -c:a 'libvorbis -q:a 1' mono.ogg
stereo 44100 -c:a 'libvorbis -q:a 0' stereo.ogg
mono 48000 -c:a 'libopus -b:a 24k' mono.opus
stereo 48000 -c:a 'libopus -b:a 36k' stereo.opus
mono 48000 -c:a 'libopus -b:a 24k' mono.webm
mono 16000 -c:a 'aac -b:a 32k' mono.m4a
mono 8000 -c:a pcm_mulaw mulaw.wav
