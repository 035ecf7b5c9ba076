"""A network of our own: nothing but loopback exists in it, so that nothing leaks out and no port is taken.

Some of the real services listen on every address, and at ports that cannot be chosen.
"""

import ctypes
import fcntl
import os
import pathlib
import socket
import struct

# <linux/sched.h>, <linux/sockios.h>, <net/if.h>
_CLONE_NEWUSER, _CLONE_NEWNET, _SIOCSIFFLAGS, _IFF_UP = 0x10000000, 0x40000000, 0x8914, 0x1


def enter():
    """Moves this process there, before it has threads; what it starts is there too. OSError where that is denied."""
    user, group, root = os.geteuid(), os.getegid(), os.geteuid() == 0
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNET if root else _CLONE_NEWNET | _CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if not root:  # user_namespaces(7): in a user namespace of our own we are root
        for name, content in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            pathlib.Path("/proc/self", name).write_text(content)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
