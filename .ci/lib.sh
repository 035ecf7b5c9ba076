# Shared by the gates: named steps with their times, and the tools that they install.

readonly CARGO_DENY=0.20.2
readonly CARGO_FUZZ=0.13.2
readonly CARGO_MUTANTS=27.1.0
readonly TOOLS="${XDG_CACHE_HOME:-$HOME/.cache}/signer-ci"

declare -a TIMES=()

step() { # step NAME COMMAND…: the first one that fails ends the run
  local name=$1 began=$SECONDS
  shift
  printf '\n=== %s\n' "$name"
  if ! "$@"; then
    printf '\n=== %s: FAILED after %d s\n' "$name" $((SECONDS - began))
    exit 1
  fi
  TIMES+=("$(printf '%5d s  %s' $((SECONDS - began)) "$name")")
}

skipped() {
  printf '\n=== skipped: %s\n' "$1"
  TIMES+=("skipped  $1")
}

summary() {
  printf '\n=== all passed\n'
  printf '%s\n' "${TIMES[@]}"
}

tool() { # tool CRATE VERSION: the path of its binary, built once
  local home="$TOOLS/$1-$2"
  if [ ! -x "$home/bin/$1" ]; then
    cargo install "$1" --version "$2" --locked --quiet --root "$home" >&2
  fi
  printf '%s/bin/%s' "$home" "$1"
}

cargo_deny() { "$(tool cargo-deny "$CARGO_DENY")" "$@"; }

verifier_has_no_network() {
  local tree
  tree=$(cargo tree -p sign-core --no-default-features -e normal --prefix none --locked)
  if grep -E '^(reqwest|hyper|tokio|mio|socket2|h2|rustls) ' <<<"$tree"; then
    echo 'sign-core without default features depends on a network crate or a runtime' >&2
    return 1
  fi
  echo "$(sort -u <<<"$tree" | wc -l) packages, none of them opens a socket"
}
