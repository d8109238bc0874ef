# The Debian packages that Peryton builds and tests with, and the function that installs them.
# Sourced by launch/quickstart.sh and tests/run.sh.
PERYTON_BUILD_PACKAGES=(g++ cmake ninja-build git ccache libopenmpi-dev openmpi-bin libyaml-cpp-dev
  libboost-program-options-dev libdnnl-dev libhwy-dev nlohmann-json3-dev libspdlog-dev libfmt-dev
  libxxhash-dev libpcre2-dev libutf8proc-dev pkg-config)
PERYTON_TEST_PACKAGES=(libgtest-dev libgmock-dev)

# install_packages NAME...: installs those that are missing, as root or through sudo.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local sudo=""
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  echo "installing: ${missing[*]}"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
