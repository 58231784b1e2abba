import { KaskProcess } from '../harness/kask.js';
import { chunk, LAST_CHUNK, RawConnection, requestBytes } from '../harness/raw-http.js';

jest.setTimeout(60_000);

const TARGET = '/sessions/v1/smuggled';
const HOST = 'Host: kask.test\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const ABC = `3\r\nabc\r\n${LAST_CHUNK}`;
const MEBIBYTE = 1_048_576;

/** What would be done if what stands before it ended where a proxy before us may think that it does. */
const BEHIND = requestBytes({ method: 'PUT', target: '/sessions/v1/behind', body: 'stolen' });

let kask: KaskProcess;

beforeAll(async () => {
  kask = await KaskProcess.start({ storage: 'embedded' });
});
afterAll(() => kask?.stop());

const write = (fields: string, body: string): string =>
  `POST ${TARGET} HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
const read = (fields: string): string => `GET ${TARGET} HTTP/1.1\r\n${HOST}${fields}\r\n`;

/** Sends these bytes and a request behind them, and resolves with all that is answered until the end of the connection. */
async function answersTo(bytes: string): Promise<number[]> {
  const connection = await RawConnection.open(kask.origin);
  connection.send(Buffer.concat([Buffer.from(bytes, 'latin1'), BEHIND]));
  await connection.untilEnded();
  connection.destroy();
  return statusesOf(connection.rest);
}

function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

async function statusOf(target: string): Promise<number> {
  return (await fetch(kask.origin + target)).status;
}

/** By name: what is refused with its connection, and nothing behind it done. */
const REFUSED: Record<string, string> = {
  'a length and chunks': write(`Content-Length: 4\r\n${CHUNKED}`, LAST_CHUNK),
  'chunks and a length': write(`${CHUNKED}Content-Length: 4\r\n`, LAST_CHUNK),
  'a length twice': write('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'),
  'two lengths': write('Content-Length: 3\r\nContent-Length: 4\r\n', 'abcd'),
  'a list of lengths': write('Content-Length: 3, 3\r\n', 'abc'),
  'a length with a sign': write('Content-Length: +3\r\n', 'abc'),
  'a negative length': write('Content-Length: -3\r\n', 'abc'),
  'a hexadecimal length': write('Content-Length: 0x3\r\n', 'abc'),
  'a length with an exponent': write('Content-Length: 3e0\r\n', 'abc'),
  'an empty length': write('Content-Length: \r\n', 'abc'),
  'a length in two': write('Content-Length: 3 3\r\n', 'abc'),
  'a length behind a vertical tab': write('Content-Length: \x0b3\r\n', 'abc'),
  'a length past 64 bits': write('Content-Length: 18446744073709551619\r\n', 'abc'),
  'chunks twice': write(CHUNKED + CHUNKED, ABC),
  'chunks in chunks': write('Transfer-Encoding: chunked, chunked\r\n', ABC),
  'chunks and then nothing of the kind': write('Transfer-Encoding: chunked, identity\r\n', ABC),
  'an identity coding': write('Transfer-Encoding: identity\r\n', ABC),
  'an identity coding and a length': write('Transfer-Encoding: identity\r\nContent-Length: 3\r\n', 'abc'),
  'an unknown coding': write('Transfer-Encoding: xchunked\r\n', ABC),
  'an unknown coding in chunks': write('Transfer-Encoding: gzip, chunked\r\n', ABC),
  'an unknown coding, to the other way in': `POST /healthz HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n${ABC}`,
  'a quoted coding': write('Transfer-Encoding: "chunked"\r\n', ABC),
  'a coding with a parameter': write('Transfer-Encoding: chunked;q=1\r\n', ABC),
  'a list of codings that begins with nothing': write('Transfer-Encoding: ,chunked\r\n', ABC),
  'a list of codings that ends with nothing': write('Transfer-Encoding: chunked,\r\n', ABC),
  'no coding': write('Transfer-Encoding: \r\n', ABC),
  'no coding and a length': write('Transfer-Encoding: \r\nContent-Length: 3\r\n', 'abc'),
  'no coding and no body': read('Transfer-Encoding: \r\n'),
  'a coding behind a vertical tab': write('Transfer-Encoding: \x0bchunked\r\n', ABC),
  'a coding on a line of its own': write('Transfer-Encoding:\r\n chunked\r\n', ABC),
  'chunks of HTTP/1.0': `POST ${TARGET} HTTP/1.0\r\nConnection: keep-alive\r\n${CHUNKED}\r\n${ABC}`,
  'a space before a colon': write('Content-Length : 3\r\n', 'abc'),
  'a space before the colon of a coding': write('Transfer-Encoding : chunked\r\n', ABC),
  'a folded line': read('X: a\r\n b\r\n'),
  'a line that begins with a space, as the first': `GET ${TARGET} HTTP/1.1\r\n ${HOST}\r\n`,
  'lines that end with LF': `GET ${TARGET} HTTP/1.1\nHost: kask.test\n\n`,
  'one line that ends with LF': read('X: a\nY: b\r\n'),
  'one line that ends with CR': read('X: a\rY: b\r\n'),
  'a CR in a value': read('X: a\rb\r\n'),
  'a head that ends with LF': `GET ${TARGET} HTTP/1.1\r\n${HOST}\n`,
  'a NUL in a value': read('X: a\0b\r\n'),
  'a NUL in a name': read('X\0: a\r\n'),
  'a field without a name': read(': a\r\n'),
  'a chunk of no number': write(CHUNKED, `g\r\nabc\r\n${LAST_CHUNK}`),
  'a chunk with a sign': write(CHUNKED, `+3\r\nabc\r\n${LAST_CHUNK}`),
  'a negative chunk': write(CHUNKED, `-3\r\nabc\r\n${LAST_CHUNK}`),
  'a chunk of 0x': write(CHUNKED, `0x3\r\nabc\r\n${LAST_CHUNK}`),
  'a chunk behind a space': write(CHUNKED, ` 3\r\nabc\r\n${LAST_CHUNK}`),
  'a chunk before a space': write(CHUNKED, `3 \r\nabc\r\n${LAST_CHUNK}`),
  'a chunk past 64 bits': write(CHUNKED, `10000000000000003\r\nabc\r\n${LAST_CHUNK}`),
  'a chunk whose length ends with LF': write(CHUNKED, `3\nabc\r\n${LAST_CHUNK}`),
  'a chunk that ends with LF': write(CHUNKED, `3\r\nabc\n${LAST_CHUNK}`),
  'a chunk that is longer than it says': write(CHUNKED, `3\r\nabcde\r\n${LAST_CHUNK}`),
  'chunks that end with LF': write(CHUNKED, '3\r\nabc\r\n0\n\n'),
  'a chunk extension that ends with LF': write(CHUNKED, `3;a\nabc\r\n${LAST_CHUNK}`),
  'a chunk extension with CRLF in quotes': write(CHUNKED, `3;a="\r\nabc\r\n${LAST_CHUNK}`),
  'chunk extensions of a MiB': write(CHUNKED, `3;${'a'.repeat(MEBIBYTE)}\r\nabc\r\n${LAST_CHUNK}`),
  'a length in a trailer': write(CHUNKED, '3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n'),
  'a coding in a trailer': write(CHUNKED, '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'),
  'a second Host': read('Host: another.test\r\n'),
  'a second Host behind 1,500 fields': read(`${'a:b\r\n'.repeat(1_500)}Host: another.test\r\n`),
  'a Host with a space': `GET ${TARGET} HTTP/1.1\r\nHost: a b\r\n\r\n`,
  'two Hosts in one': `GET ${TARGET} HTTP/1.1\r\nHost: a, b\r\n\r\n`,
  'a Host with a path': `GET ${TARGET} HTTP/1.1\r\nHost: a/b\r\n\r\n`,
  'a Host with a user': `GET ${TARGET} HTTP/1.1\r\nHost: a@b\r\n\r\n`,
  'no Host': `GET ${TARGET} HTTP/1.1\r\n\r\n`,
  'a fragment': `GET ${TARGET}#fragment HTTP/1.1\r\n${HOST}\r\n`,
  'HTTP/0.9': `GET ${TARGET}\r\n\r\n`,
  'HTTP/0.9 that says so': `GET ${TARGET} HTTP/0.9\r\n\r\n`,
  'HTTP/2 that says so': `GET ${TARGET} HTTP/2.0\r\n${HOST}\r\n`,
  'an unknown version': `GET ${TARGET} HTTP/1.2\r\n${HOST}\r\n`,
  'two versions': `GET ${TARGET} HTTP/1.1 HTTP/1.1\r\n${HOST}\r\n`,
  'a request line with tabs': `GET\t${TARGET}\tHTTP/1.1\r\n${HOST}\r\n`,
};

describe('a request that a proxy before us could read in another way', () => {
  afterEach(async () => {
    for (const target of [TARGET, '/sessions/v1/behind']) expect(await statusOf(target)).toBe(404);
  });

  it.each(Object.entries(REFUSED))('is refused with its connection: %s', async (_, bytes) => {
    expect(await answersTo(bytes)).toEqual([400]);
  });

  it.each([
    ['of a MiB', `X: ${'y'.repeat(MEBIBYTE)}\r\n`],
    ['of many fields', 'X: y\r\n'.repeat(50_000)],
  ])('is refused with its connection: trailers %s', async (_, trailers) => {
    expect(await answersTo(write(CHUNKED, `3\r\nabc\r\n0\r\n${trailers}\r\n`))).toEqual([431]);
  });
});

describe('answers', () => {
  const get = requestBytes({ target: TARGET });
  const health = requestBytes({ target: '/healthz/live' });

  it('come before that to what could not be read behind their requests', async () => {
    expect(await answersTo(Buffer.concat([get, health, get]).toString() + 'garbage\r\n\r\n')).toEqual([
      404, 200, 404, 400,
    ]);
    const broken = write(CHUNKED, 'no chunk\r\n');
    expect(await answersTo(get.toString() + broken)).toEqual([404, 400]);
  });

  it('are one for each request, also for one whose body cannot be read', async () => {
    expect(await answersTo(`GET ${TARGET} HTTP/1.1\r\n${HOST}${CHUNKED}\r\nno chunk\r\n`)).toHaveLength(1);
    expect(await answersTo(`OPTIONS ${TARGET} HTTP/1.1\r\n${HOST}${CHUNKED}\r\nno chunk\r\n`)).toEqual([405]);
  });

  // Node drops what came with it in one piece.
  it('are the last on a connection that was asked for another protocol', async () => {
    expect(await answersTo(read('Connection: Upgrade\r\nUpgrade: websocket\r\n'))).toEqual([404]);
    expect(await answersTo(read('Connection: Upgrade\r\nUpgrade: h2c\r\n'))).toEqual([404]);
  });
});

describe('what everybody reads in the same way', () => {
  it.each([
    ['zeros before a length', 'Content-Length: 003\r\n', 'abc'],
    ['a coding in capitals', 'Transfer-Encoding: CHUNKED\r\n', ABC],
    ['a chunk extension', CHUNKED, `3;a=b\r\nabc\r\n${LAST_CHUNK}`],
    ['a trailer', CHUNKED, '3\r\nabc\r\n0\r\nX: y\r\n\r\n'],
    ['many small chunks', CHUNKED, chunk('x').toString().repeat(1_000) + LAST_CHUNK],
  ])('is taken: %s', async (_, fields, body) => {
    const connection = await RawConnection.open(kask.origin);
    connection.send(write(fields, body));
    expect((await connection.answer()).status).toBe(201);
    connection.send(requestBytes({ method: 'DELETE', target: TARGET }));
    expect((await connection.answer('DELETE')).status).toBe(204);
    connection.destroy();
  });

  // RFC 9112 section 3.2.2: the Host beside it is to be ignored; we serve all hosts alike.
  it('is taken: a target in absolute form', async () => {
    const connection = await RawConnection.open(kask.origin);
    connection.send(`GET http://other.test${TARGET} HTTP/1.1\r\n${HOST}\r\n`);
    expect((await connection.answer()).status).toBe(404);
    connection.destroy();
  });
});
