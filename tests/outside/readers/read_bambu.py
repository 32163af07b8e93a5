# SPDX-License-Identifier: AGPL-3.0-or-later
"""What bambulabs-api knows of a printer: `read_bambu.py HOST PORT SERIAL ACCESS_CODE`."""

import json
import sys

from bambulabs_api.mqtt_client import PrinterMQTTClient

host, port, serial, code = sys.argv[1:]
client = PrinterMQTTClient(host, code, serial, port=int(port), pushall_timeout=3600)
client.connect()
client.start()
for _ in sys.stdin:
    if not client.ready():
        print("{}", flush=True)
        continue
    client.process_ams()
    trays = [tray.tray_type for ams in client.ams_hub.ams_hub.values() for tray in ams.filament_trays.values()]
    known = {
        "state": client.get_printer_state().name,
        "stage": client.get_current_state().name,
        "percent": client.get_last_print_percentage(),
        "minutes": client.get_remaining_time(),
        "layer": client.current_layer_num(),
        "layers": client.total_layer_num(),
        "nozzle_degc": round(client.get_nozzle_temperature()),
        "bed_target_degc": client.get_bed_temperature_target(),
        "file": client.gcode_file(),
        "name": client.subtask_name(),
        "error": client.print_error_code(),
        "firmware": client.firmware_version(),
        "material": trays,
    }
    print(json.dumps(known), flush=True)
