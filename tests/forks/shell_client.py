"""``python shell_client.py SOCKET MODULE ARGUMENTS...``: the server runs a module, and this ends with its status.

``python shell_client.py SOCKET -c CODE ARGUMENTS...`` likewise.
"""

import json
import os
import socket
import sys

_, address, *command = sys.argv
is_code = command[0] == "-c"
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    request = {
        "module": None if is_code else command[0],
        "code": command[1] if is_code else None,
        "arguments": command[2 if is_code else 1 :],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "session": False,
    }
    socket.send_fds(connection, [f"{json.dumps(request)}\n".encode()], [0, 1, 2])
    with connection.makefile() as answers:
        answers.readline()
        status = int(answers.readline() or 1)
sys.exit(status if status >= 0 else 128 - status)
