"""Databases of countries in MaxMind's format, as small as a test needs them.

    write(path, {'192.0.2.0/24': 'DE', '2001:db8::/32': 'FR'})

The search tree has records of 24 bits and is one of IPv6; IPv4 lies below ::/96, where the format wants it.
"""
import ipaddress
import os
import struct

EMPTY = b'\0' * 16      # between the tree and the data
MARK = b'\xab\xcd\xefMaxMind.com'
TEXT, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11


def control(kind, size):
    assert size < 29
    return bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])


def number(kind, value):
    data = value.to_bytes(8, 'big').lstrip(b'\0')
    return control(kind, len(data)) + data


def encoded(value):
    """A value of the data section: a text, a list, a dict, or bytes that are encoded already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return control(TEXT, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return control(ARRAY, len(value)) + b''.join(map(encoded, value))
    return control(MAP, len(value)) + b''.join(encoded(name) + encoded(of) for name, of in value.items())


def bits_of(text):
    """The path of a network in a tree of 128 bits."""
    network = ipaddress.ip_network(text)
    bits = f'{int(network.network_address):0{network.max_prefixlen}b}'[:network.prefixlen]
    return bits if network.version == 6 else '0' * 96 + bits


def database(countries):
    """The bytes of a database: countries by network, none within another."""
    nodes = [[None, None]]
    data, places = b'', {}
    for network, country in countries.items():
        if country not in places:
            places[country] = len(data)
            data += encoded({'country': {'iso_code': country}})
        at, (*path, last) = 0, map(int, bits_of(network))
        for bit in path:
            if nodes[at][bit] is None:
                nodes.append([None, None])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][last] = ('data', places[country])

    def record(value):
        if value is None:
            value = len(nodes)      # not found
        elif isinstance(value, tuple):
            value = len(nodes) + len(EMPTY) + value[1]
        return struct.pack('>I', value)[1:]

    tree = b''.join(record(left) + record(right) for left, right in nodes)
    about = {'node_count': number(UINT32, len(nodes)), 'record_size': number(UINT16, 24),
             'ip_version': number(UINT16, 6), 'database_type': 'Test-Country', 'languages': ['en'],
             'binary_format_major_version': number(UINT16, 2), 'binary_format_minor_version': number(UINT16, 0),
             'build_epoch': number(UINT64, 1700000000), 'description': {'en': 'made by a test'}}
    return tree + EMPTY + data + MARK + encoded(about)


def write(path, countries):
    """Puts it there as files in use are replaced: whole, by renaming."""
    with open(path + '.new', 'wb') as file:
        file.write(database(countries))
    os.replace(path + '.new', path)
