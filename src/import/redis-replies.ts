/** What Redis answers, in version 2 of its protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
export type Reply = string | number | Buffer | null | RedisRefusal | Reply[];

/** Redis will not do what it was asked. */
export class RedisRefusal extends Error {
  override readonly name = 'RedisRefusal';
  /** Such as `WRONGTYPE`. */
  readonly code: string;

  constructor(said: string) {
    // After its first sentence it may quote what it was asked, session keys among it.
    super(said.split(/, with args|\. /, 1)[0]);
    this.code = said.split(' ', 1)[0] as string;
  }
}

interface Parsed {
  reply: Reply;
  /** Where the next one begins. */
  end: number;
}

/** Puts replies together from what arrives. */
export class ReplyReader {
  private chunks: Buffer[] = [];
  private bytes = 0;
  /** Before there are so many, looking again would find nothing new. */
  private wanted = 1;

  /** Takes what arrived, and gives what is whole now. */
  read(chunk: Buffer): Reply[] {
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    const replies: Reply[] = [];
    if (this.bytes < this.wanted) return replies;
    const buffer = Buffer.concat(this.chunks);
    let at = 0;
    let parsed = parse(buffer, at);
    for (; typeof parsed !== 'number'; parsed = parse(buffer, at)) {
      replies.push(parsed.reply);
      at = parsed.end;
    }
    this.chunks = [buffer.subarray(at)];
    this.bytes = buffer.length - at;
    this.wanted = parsed - at;
    return replies;
  }
}

/** The reply that begins there, or how far the buffer has to reach before another look is worth it. */
function parse(buffer: Buffer, at: number): Parsed | number {
  const lineEnd = buffer.indexOf('\r\n', at);
  if (lineEnd < 0) return buffer.length + 1;
  const type = String.fromCharCode(buffer[at] as number);
  const line = buffer.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  if (type === '+') return { reply: line, end };
  if (type === '-') return { reply: new RedisRefusal(line), end };
  if (!/^-?\d+$/.test(line) || !':$*'.includes(type))
    throw new Error('it does not speak the protocol of Redis');
  const number = Number(line);
  if (type === ':') return { reply: number, end };
  if (number < 0) return { reply: null, end };
  return type === '$' ? parseBulk(buffer, end, number) : parseArray(buffer, end, number);
}

function parseBulk(buffer: Buffer, at: number, length: number): Parsed | number {
  const end = at + length + 2;
  // A copy: a part would keep all that arrived with it in memory.
  return buffer.length < end ? end : { reply: Buffer.from(buffer.subarray(at, at + length)), end };
}

function parseArray(buffer: Buffer, at: number, length: number): Parsed | number {
  const reply: Reply[] = [];
  let end = at;
  while (reply.length < length) {
    const parsed = parse(buffer, end);
    if (typeof parsed === 'number') return parsed;
    reply.push(parsed.reply);
    end = parsed.end;
  }
  return { reply, end };
}
