#!/bin/sh
# words.sh - a command function: {"text": "..."} on standard input, the number of its words on standard output.
sed -E 's/^.*"text": *"(([^"\\]|\\.)*)".*$/\1/' | wc -w
