#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Starts Mosquitto with the users of the secret `broker_users` (lines of user:password, hashed before use) and with the
# devices that the collector writes into a shared folder; what changes there counts within two seconds.
set -eu
umask 077
here=${CYBERSYN_MOSQUITTO:-/etc/cybersyn/mosquitto}
secret=${CYBERSYN_USERS_SECRET:-/run/secrets/broker_users}
devices=${CYBERSYN_DEVICES:-/var/lib/cybersyn-broker}
certificates=${CYBERSYN_TLS:-/etc/cybersyn/tls}
work=${CYBERSYN_WORK:-/tmp}

own=$work/own-users
cp "$secret" "$own"
chmod 600 "$own"
mosquitto_passwd -U "$own"

gather() { # our own users and rights, and behind them the devices' ones; a name of ours is not given twice
    cp "$own" "$work/users.new"
    cp "$here/acl" "$work/acl.new"
    if [ -r "$devices/users" ] && [ -r "$devices/acl" ]; then
        awk -F: 'NR == FNR { ours[$1]; next } !($1 in ours)' "$own" "$devices/users" >>"$work/users.new"
        cat "$devices/acl" >>"$work/acl.new"
    fi
    chmod 600 "$work/users.new" "$work/acl.new"
    mv "$work/users.new" "$work/users"
    mv "$work/acl.new" "$work/acl"
}

stamp() { # one line for what the files hold now
    cat "$devices/users" "$devices/acl" 2>/dev/null | cksum
}

cat "$here/mosquitto.conf" >"$work/mosquitto.conf"
if [ -r "$certificates/server.crt" ] && [ -r "$certificates/server.key" ]; then
    cat "$here/tls.conf" >>"$work/mosquitto.conf"
fi

known=$(stamp)
gather
mosquitto -c "$work/mosquitto.conf" &
broker=$!
trap 'kill -TERM "$broker"' TERM INT

while kill -0 "$broker" 2>/dev/null; do
    sleep 1 &
    wait $! || true
    now=$(stamp)
    if [ "$now" != "$known" ]; then
        known=$now
        gather
        kill -HUP "$broker"
    fi
done
wait "$broker"
