#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Starts Mosquitto with the users of the secret `broker_users`: lines of user:password, hashed before use.
set -eu
umask 077
cp /run/secrets/broker_users /tmp/users
chmod 600 /tmp/users
mosquitto_passwd -U /tmp/users
exec mosquitto -c /etc/cybersyn/mosquitto/mosquitto.conf
