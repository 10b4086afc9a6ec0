"""``python shell_client.py SOCKET MODULE ARGUMENTS...``: the server runs a module, and this ends with its status."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    request = {
        "module": sys.argv[2],
        "code": None,
        "arguments": sys.argv[3:],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "session": False,
    }
    socket.send_fds(connection, [f"{json.dumps(request)}\n".encode()], [0, 1, 2])
    with connection.makefile() as answers:
        answers.readline()
        status = int(answers.readline() or 1)
sys.exit(status if status >= 0 else 128 - status)
