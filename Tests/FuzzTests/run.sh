#!/bin/sh
# Fuzzes what strangers can reach against its rules with libFuzzer and AddressSanitizer, outside SwiftPM.
#
#   Tests/FuzzTests/run.sh SECONDS [TARGET]          fuzz one target, or all, so long each; inputs found are kept in .build-fuzz
#   Tests/FuzzTests/run.sh reproduce FILE TARGET     run one input
#   Tests/FuzzTests/run.sh minimise TARGET           add what was found to the corpus, as few inputs as reach the same
#
# TARGET: framing (XML on a stream), tape (stanzas), streams (negotiation), bundle (files on sticks), configuration, control (the socket).
# Ends with a status other than 0 if an input crashes, hangs, leaks (not in configuration) or breaks a rule, and says how to reproduce
# it. Mend it, add a unit test, and put the input into Tests/FuzzTests/Corpus/TARGET.
#
# A new target is a directory here with its Swift files, optionally a tokens.dict, and a case below that names the modules it needs, in the
# order of their imports. Modules are compiled once for all targets.

set -eu
cd "$(dirname "$0")/../.."

all="framing tape streams bundle configuration control"
here=Tests/FuzzTests
built=.build-fuzz/modules
sanitize="-sanitize=fuzzer,address"

usage() {
    sed -n '2,15s/^# \{0,1\}//p' Tests/FuzzTests/run.sh >&2
    exit 2
}

[ $# -ge 1 ] || usage
mode=fuzz
case $1 in
reproduce)
    [ $# -eq 3 ] || usage
    mode=reproduce
    input=$2
    set -- 0 "$3"
    ;;
minimise)
    [ $# -eq 2 ] || usage
    mode=minimise
    set -- 0 "$2"
    ;;
esac
seconds=$1
if [ $# -lt 2 ]; then
    for one in $all; do "$0" "$seconds" "$one"; done
    exit 0
fi
target=$2

xmpp="CLibXML2 COpenSSL CUnicode MartletPrimitives XMPPAddress XMPPXML MartletCrypto XMPPStanzas"
# Sources that are compiled with the target itself: it needs more of them than they give to others, or they are a part of a module.
helpers=""
leaks=1
slice=$seconds
case $target in
framing)
    modules="CLibXML2"
    # What the tests of the package ask expat, this one asks too.
    helpers="Sources/XMPPXML/*.swift Tests/XMPPXMLTests/Expat.swift"
    longest=4096
    ;;
tape)
    modules="$xmpp MartletStore"
    longest=4096
    ;;
streams)
    modules="$xmpp XMPPStreams"
    longest=8192
    ;;
bundle)
    modules="$xmpp XMPPStreams MartletStore MartletBus"
    helpers="Sources/MartletFederation/QueueBundle.swift"
    longest=16384
    ;;
configuration)
    modules="CUnicode MartletPrimitives XMPPAddress CTOML TOMLKit MartletConfiguration"
    # TOMLKit leaks about 500 bytes with each file, which a server reads at a start and a reload: a new process now and then.
    leaks=0
    slice=120
    longest=16384
    ;;
control)
    modules="$xmpp XMPPStreams MartletStore MartletBus"
    helpers="Sources/MartletAdmin/AdminMessages.swift Sources/MartletAdmin/AdminBundle.swift Sources/MartletAdmin/AdminDesk.swift
        Sources/MartletAdmin/AdminLimits.swift Sources/MartletAdmin/AdminArchive.swift Sources/MartletAdmin/AdminUploads.swift
        Sources/MartletAdmin/AdminKeys.swift"
    longest=4096
    ;;
*) usage ;;
esac

build=.build-fuzz/$target
mkdir -p "$build/found" "$built"

# Where the sources of a module are; those of packages are where SwiftPM has put them.
folder() {
    case $1 in
    CTOML | TOMLKit)
        [ -d .build/checkouts/TOMLKit ] || swift package resolve >&2
        echo ".build/checkouts/TOMLKit/Sources/$1"
        ;;
    *) echo "Sources/$1" ;;
    esac
}

# Whether a module has to be compiled: its sources, or what it imports, are newer than what was made of them.
isOld() {
    [ ! -f "$built/$1.o" ] || [ -n "$isChanged" ] || [ -n "$(find "$(folder "$1")" -type f -newer "$built/$1.o" | head -n 1)" ]
}

compileC() {
    sources=$(folder "$1")
    header=$sources/include/$1.h
    [ -f "$header" ] || header=$(find "$sources/include" -name "$1.h" | head -n 1)
    mkdir -p "$built/$1"
    printf 'module %s { header "%s" export * }\n' "$1" "$PWD/$header" >"$built/$1/module.modulemap"
    if [ "$1" = CTOML ]; then
        rm -f "$built/$1"/*.o
        for source in "$sources"/Sources/*.cpp; do
            clang++ -w -g -O1 -std=c++17 -DTOML_EXCEPTIONS=1 -fsanitize=fuzzer-no-link,address -I"$sources/include" -c "$source" \
                -o "$built/$1/$(basename "$source" | tr '&' _).o"
        done
        clang -r -nostdlib "$built/$1"/*.o -o "$built/$1.o"
    else
        for source in "$sources"/*.c; do
            clang -g -O1 -fsanitize=fuzzer-no-link,address -I/usr/include/libxml2 -I"$sources/include" -c "$source" \
                -o "$built/$1/$(basename "$source").o"
        done
        clang -r -nostdlib "$built/$1"/*.o -o "$built/$1.o"
    fi
}

compileSwift() {
    find "$(folder "$1")" -name '*.swift' -not -path '*.docc/*' -printf '"%p"\n' >"$built/$1.sources"
    version=6
    [ "$1" = TOMLKit ] && version=5
    # shellcheck disable=SC2086
    swiftc -gline-tables-only -O -wmo -swift-version $version -parse-as-library -enable-testing $sanitize -module-name "$1" \
        -emit-module -emit-module-path "$built/$1.swiftmodule" -emit-object -o "$built/$1.o" -I "$built" $includes @"$built/$1.sources"
}

isChanged=""
objects=""
includes=""
libraries=""
for module in $modules; do
    case $module in
    CLibXML2) libraries="$libraries -lxml2" ;;
    COpenSSL) libraries="$libraries -lssl -lcrypto" ;;
    CUnicode) libraries="$libraries -lunistring -lidn2" ;;
    CTOML) libraries="$libraries -lstdc++" ;;
    esac
    case $module in
    C[A-Z]*)
        if isOld "$module"; then compileC "$module"; fi
        includes="$includes -I $built/$module"
        ;;
    *)
        # From there on everything is compiled anew.
        if isOld "$module"; then
            compileSwift "$module"
            isChanged=yes
        fi
        ;;
    esac
    objects="$objects $built/$module.o"
done
# shellcheck disable=SC2086
swiftc -gline-tables-only -O -wmo -swift-version 6 -use-ld=lld -parse-as-library $sanitize -module-name Fuzz -I "$built" $includes \
    $helpers $here/"$target"/*.swift $objects $libraries -o "$build/fuzz"

# The symbolizer of a crashing fuzzer can hang on a pipe; Swift's own looks into memory that the sanitizer guards, which hides the cause.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=symbolize=0:detect_leaks=$leaks

case $mode in
reproduce) exec "$build/fuzz" "$input" ;;
minimise)
    mkdir -p "$build/least"
    "$build/fuzz" -merge=1 "$build/least" "$here/Corpus/$target" "$build/found" 2>"$build/log"
    # Those of few bytes reach most; a corpus is read by people too.
    find "$build/least" -type f -size -2k -exec cp -n {} "$here/Corpus/$target/" \;
    exit 0
    ;;
esac

dictionary=""
[ -f "$here/$target/tokens.dict" ] && dictionary="-dict=$here/$target/tokens.dict"
status=0
left=$seconds
echo "$target:"
while [ "$left" -gt 0 ] && [ "$status" -eq 0 ]; do
    [ "$slice" -le "$left" ] || slice=$left
    # shellcheck disable=SC2086
    "$build/fuzz" -max_total_time="$slice" -max_len="$longest" -timeout=10 -artifact_prefix="$build/" -print_final_stats=1 \
        $dictionary "$build/found" "$here/Corpus/$target" >"$build/log" 2>&1 || status=$?
    grep -E "^Done|^stat::" "$build/log" || tail -n 20 "$build/log"
    left=$((left - slice))
done
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
