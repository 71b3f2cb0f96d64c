#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Numbered frames of ethertype 0x88b5.

frames.py send IFACE MAC LETTER COUNT [IFINDEX]
frames.py expect IFACE LETTER COUNT SECONDS CMD...

"expect" runs CMD and is content if exactly COUNT frames of this letter came in
at IFACE, in order, each once; for none it waits SECONDS.
"""
import socket
import struct
import subprocess
import sys
import time

ETH_P = 0x88B5
RCVBUF = 16 << 20
SO_RCVBUFFORCE = 33


def opened(iface):
    """A packet socket of this interface."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P))
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF)
    s.bind((iface, ETH_P))
    return s


def send(iface, mac, letter, count, ifindex="0"):
    """COUNT frames out of it; waits while there is no room."""
    s = opened(iface)
    head = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("0200000000fe88b5")
    head += letter.encode() + struct.pack("<I", int(ifindex))
    for i in range(int(count)):
        s.send((head + struct.pack("!I", i)).ljust(60, b"\0"))


def expect(iface, letter, count, seconds, *cmd):
    """The exit status."""
    s = opened(iface)
    got = []
    with subprocess.Popen(cmd) as sender:
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end and (not int(count) or len(got) < int(count)):
            s.settimeout(max(end - time.monotonic(), 0.01))
            try:
                data, addr = s.recvfrom(2048)
            except socket.timeout:
                break
            if addr[2] != socket.PACKET_OUTGOING and data[14:15] == letter.encode():
                got.append(struct.unpack("!I", data[19:23])[0])
        if sender.wait():
            print("# not sent")
            return 1
    if got == list(range(int(count))):
        return 0
    print("# of", count, "frames came", len(got), "first", got[:8], "last", got[-8:])
    return 1


sys.exit({"send": send, "expect": expect}[sys.argv[1]](*sys.argv[2:]) or 0)
