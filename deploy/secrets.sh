#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Makes the passwords of docker-compose.yml in the folder secrets/, once: what is there is left alone.
# sh deploy/secrets.sh [DEVICE]…   adds a broker user for each device and prints its password.
set -eu
umask 077
cd "$(dirname "$0")/.."
mkdir -p secrets
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

for device in "$@"; do
    case $device in
    *[!A-Za-z0-9_.-]* | [!A-Za-z0-9]* | '' | cybersyn | simulator)
        echo "device '$device': letters, digits, _ . and - work, a letter or digit first" >&2
        exit 2
        ;;
    esac
    if grep -q "^$device:" secrets/broker_users; then
        echo "device $device has its password already" >&2
        exit 1
    fi
    password=$(random)
    chmod 600 secrets/broker_users
    printf '%s:%s\n' "$device" "$password" >>secrets/broker_users
    chmod 444 secrets/broker_users
    echo "$device: user $device, password $password (then: docker compose restart mosquitto)"
done
