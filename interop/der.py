"""The shape of DER (X.690): tags, identifiers, flags; without the values that differ each time."""

NAMES = {1: "BOOLEAN", 2: "INTEGER", 3: "BIT STRING", 4: "OCTET STRING", 5: "NULL", 6: "OID", 10: "ENUMERATED",
         12: "UTF8String", 16: "SEQUENCE", 17: "SET", 19: "PrintableString", 22: "IA5String", 23: "UTCTime",
         24: "GeneralizedTime"}


def shape(content: bytes) -> str:
    """The elements, each with what is inside it in parentheses."""
    return " ".join(_shapes(content))


def certificate(content: bytes) -> list[str]:
    """A line for each field of a certificate (RFC 5280 section 4.1), and for each extension, in order."""
    [(_, whole)] = elements(content)
    (_, tbs), *signature = elements(whole)
    fields = list(elements(tbs))
    names = ("version", "serial number", "signature", "issuer", "validity", "subject", "key")
    lines = [f"{name}: {_shape(*field)}" for name, field in zip(names, fields)]
    for tag, value in fields[len(names):]:
        [(_, extensions)] = elements(value)
        lines += [f"extension: {' '.join(_shapes(extension))}" for _, extension in elements(extensions)]
    return lines + [f"signed: {' '.join(_shape(*field) for field in signature)}"]


def extension(content: bytes, wanted: str) -> bytes:
    """What is inside the OCTET STRING of a certificate's extension."""
    [(_, whole)] = elements(content)
    (_, tbs), *_ = elements(whole)
    *_, (_, wrapped) = elements(tbs)
    [(_, extensions)] = elements(wrapped)
    for _, one in elements(extensions):
        (_, identifier), *_, (_, value) = elements(one)
        if _identifier(identifier) == wanted:
            return value
    raise ValueError(f"no extension {wanted}")


def timestamp(content: bytes) -> list[str]:
    """A line for each field of a timestamp reply (RFC 3161 section 2.4.2) and of the CMS message in it."""
    [(_, reply)] = elements(content)
    (_, status), (_, message) = elements(reply)
    (_, kind), (_, wrapped) = elements(message)
    [(_, signed)] = elements(wrapped)
    lines = [f"status: {' '.join(_shapes(status))}", f"message: {_identifier(kind)}"]
    for tag, value in elements(signed):
        if tag == 0x30:  # the only sequence is the content
            (_, _), (_, explicit) = elements(value)
            [(_, info)] = elements(explicit)
            [(_, fields)] = elements(info)
            lines += [f"content: {shape}" for shape in _shapes(fields)]
        elif tag == 0x31 and value and _shape(tag, value).count("INTEGER"):  # and the only set with numbers the signers
            [(_, signer)] = elements(value)
            lines += [f"signer: {shape}" for shape in _shapes(signer)]
        else:
            lines.append(f"message: {_shape(tag, value)}")
    return lines


def _shapes(content: bytes):
    for tag, value in elements(content):
        yield _shape(tag, value)


def _shape(tag: int, value: bytes) -> str:
    kind, constructed, number = tag >> 6, tag & 0x20, tag & 0x1F
    name = NAMES.get(number, f"universal {number}") if kind == 0 else f"[{number}]"
    if constructed or (kind == 0 and number == 4 and _inside(value)):
        return f"{name}({' '.join(_shapes(value))})"
    return name + (_detail(number, value) if kind == 0 else "")


def _detail(number: int, value: bytes) -> str:
    if number == 6:
        return f" {_identifier(value)}"
    # Flags, versions and usages say something; serial numbers, hashes and signatures only how long they are.
    if number in (1, 2, 3, 10) and len(value) <= 2:
        return f" {value.hex()}"
    if number in (23, 24):
        return f" of {len(value)} characters"
    return ""


def _inside(value: bytes) -> bool:
    """Whether an OCTET STRING holds DER, as extensions do."""
    try:
        found = list(elements(value))
        return len(found) == 1 and value[0] in (0x01, 0x03, 0x04, 0x0C, 0x30, 0x31)
    except (IndexError, ValueError):
        return False


def elements(content: bytes):
    """Tag and content of each element."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("not DER")
            length, at = int.from_bytes(content[at:at + count], "big"), at + count
        if at + length > len(content):
            raise ValueError("cut off")
        yield tag, content[at:at + length]
        at += length


def _identifier(value: bytes) -> str:
    arcs, number = [], 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
