#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Makes the passwords of docker-compose.yml in the folder secrets/, once: what is there is left alone.
# Devices get theirs by `cybersyn machine add`; certificates for TLS come into secrets/tls (deploy/README.md).
set -eu
umask 077
cd "$(dirname "$0")/.."
mkdir -p secrets/tls/server
chmod 755 secrets/tls/server
chmod 700 secrets # nobody but you passes this folder; the containers see the single files

chmod -R go+rX deploy/mosquitto deploy/plants # mounted into containers whose users are not you; no secret in them

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

keep() { # NAME VALUE
    [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"
    chmod 444 "secrets/$1"
}

keep broker_password "$(random)"
keep simulator_password "$(random)"
keep influxdb_username cybersyn
keep influxdb_password "$(random)"
keep influxdb_token "$(random)"
keep broker_users "cybersyn:$(cat secrets/broker_password)
simulator:$(cat secrets/simulator_password)"
