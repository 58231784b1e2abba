/** Tags of DER (ITU-T X.690) that tell what is there from what may be left out. */
const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION_OF_CERTIFICATE = 0xa0;

interface Element {
  tag: number;
  /** Tag and length included. */
  bytes: Buffer;
  content: Buffer;
}

/** What has to be known of a list of revoked certificates (RFC 5280 section 5.1), which Node gives to OpenSSL unread. */
export interface RevocationList {
  /** The name as it is encoded: OpenSSL finds the list of an authority by it. */
  issuer: Buffer;
  /** From then on OpenSSL refuses every certificate of the issuer; in ms, Infinity if the list does not say. */
  nextUpdate: number;
}

export function parseRevocationList(der: Buffer): RevocationList {
  const fields = fieldsOfSigned(der);
  const [, issuer, , nextUpdate] = fields[0]?.tag === INTEGER ? fields.slice(1) : fields;
  if (!issuer) throw new Error('no list of revoked certificates');
  return { issuer: issuer.bytes, nextUpdate: timeOf(nextUpdate) };
}

/** The name of a certificate's subject as it is encoded (RFC 5280 section 4.1). */
export function encodedSubject(der: Buffer): Buffer {
  const fields = fieldsOfSigned(der);
  const subject = fields[fields[0]?.tag === VERSION_OF_CERTIFICATE ? 5 : 4];
  if (!subject) throw new Error('no certificate');
  return subject.bytes;
}

/** Certificates and lists are alike in this: what is signed comes first, then the signature. */
function fieldsOfSigned(der: Buffer): Element[] {
  const [whole] = elements(der);
  const [signed] = elements(whole?.content);
  return elements(signed?.content);
}

function elements(der: Buffer = Buffer.alloc(0)): Element[] {
  const found: Element[] = [];
  for (let start = 0; start < der.length;) {
    const short = der.readUInt8(start + 1);
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    const from = start + 2 + lengthBytes;
    const end = from + (lengthBytes === 0 ? short : der.readUIntBE(start + 2, lengthBytes));
    if (end > der.length) throw new RangeError('an element is longer than what holds it');
    found.push({
      tag: der.readUInt8(start),
      bytes: der.subarray(start, end),
      content: der.subarray(from, end),
    });
    start = end;
  }
  return found;
}

/** RFC 5280 section 4.1.2.5: years of two digits are from 1950 to 2049. */
function timeOf(element: Element | undefined): number {
  if (element?.tag !== UTC_TIME && element?.tag !== GENERALIZED_TIME) return Infinity;
  const digits = element.content.toString('latin1');
  const century = Number(digits.slice(0, 2)) < 50 ? '20' : '19';
  const text = element.tag === UTC_TIME ? century + digits : digits;
  return Date.parse(text.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}
