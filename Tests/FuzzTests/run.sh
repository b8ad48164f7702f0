#!/bin/sh
# Fuzzes one parser against its rules with libFuzzer and AddressSanitizer, outside SwiftPM.
#
#   Tests/FuzzTests/run.sh SECONDS [TARGET]          fuzz (TARGET: framing); inputs found are kept in .build-fuzz
#   Tests/FuzzTests/run.sh reproduce FILE [TARGET]   run one input
#
# Ends with a status other than 0 if an input crashes, hangs, leaks or breaks a rule, and says how to reproduce it. Mend it, add a unit
# test, and put the input into Tests/FuzzTests/Corpus/TARGET.
#
# A new target is a directory here with its Swift files, optionally a tokens.dict, and a case below that names the sources it needs: they
# are all compiled as one module.

set -eu
cd "$(dirname "$0")/../.."

usage() {
    sed -n '2,13s/^# \{0,1\}//p' Tests/FuzzTests/run.sh >&2
    exit 2
}

[ $# -ge 1 ] || usage
mode=fuzz
if [ "$1" = reproduce ]; then
    [ $# -ge 2 ] || usage
    mode=reproduce
    input=$2
    shift
fi
seconds=$1
target=${2:-framing}

helpers=""
case $target in
framing)
    swift_targets="XMPPXML"
    # What the tests of the package ask expat, this one asks too.
    helpers="Tests/XMPPXMLTests/Expat.swift"
    c_targets="CLibXML2"
    c_flags="-I/usr/include/libxml2"
    libraries="-lxml2"
    longest=4096
    ;;
*) usage ;;
esac

here=Tests/FuzzTests
build=.build-fuzz/$target
mkdir -p "$build/found"

modules="$build/modules"
rm -rf "$modules"
objects=""
for c_target in $c_targets; do
    mkdir -p "$modules/$c_target"
    printf 'module %s { header "%s" export * }\n' "$c_target" "$PWD/Sources/$c_target/include/$c_target.h" \
        >"$modules/$c_target/module.modulemap"
    # shellcheck disable=SC2086
    clang -g -O1 -fsanitize=fuzzer-no-link,address $c_flags -ISources/"$c_target"/include -c Sources/"$c_target"/*.c \
        -o "$build/$c_target.o"
    objects="$objects $build/$c_target.o"
done

sources=""
for swift_target in $swift_targets; do sources="$sources Sources/$swift_target/*.swift"; done
includes=""
for c_target in $c_targets; do includes="$includes -I $modules/$c_target"; done
# shellcheck disable=SC2086
swiftc -gline-tables-only -O -wmo -swift-version 6 -use-ld=lld -parse-as-library -sanitize=fuzzer,address -module-name Fuzz \
    $sources $helpers $here/"$target"/*.swift $objects $includes $libraries -o "$build/fuzz"

# The symbolizer of a crashing fuzzer can hang on a pipe.
export ASAN_OPTIONS=symbolize=0

if [ "$mode" = reproduce ]; then
    exec "$build/fuzz" "$input"
fi

dictionary=""
[ -f "$here/$target/tokens.dict" ] && dictionary="-dict=$here/$target/tokens.dict"
status=0
# shellcheck disable=SC2086
"$build/fuzz" -max_total_time="$seconds" -max_len="$longest" -timeout=10 -artifact_prefix="$build/" -print_final_stats=1 \
    $dictionary "$build/found" "$here/Corpus/$target" >"$build/log" 2>&1 || status=$?
grep -E "^Done|^stat::" "$build/log" || tail -n 20 "$build/log"
if [ "$status" -ne 0 ]; then
    grep -E "disagreement|Fatal error|ERROR|SUMMARY" "$build/log" | head -n 5
    artifact=$(sed -n 's/.*Test unit written to //p' "$build/log" | tail -n 1)
    echo "fuzzing $target ended with status $status; the whole log is $build/log"
    if [ -n "$artifact" ]; then
        echo "Reproduce with:"
        echo "    Tests/FuzzTests/run.sh reproduce $artifact $target"
    fi
    exit 1
fi
