import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KaskProcess } from '../harness/kask.js';
import { metric, untilInFlight } from '../harness/metrics.js';
import {
  chunk,
  exchange,
  LAST_CHUNK,
  type RawAnswer,
  RawConnection,
  type RawRequest,
  requestBytes,
} from '../harness/raw-http.js';
import { requestCounts } from '../harness/request-counts.js';

export const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const MAX_VALUE_BYTES = 8_388_608;
export const BASE = '/sessions/v1/';

// As the contract has them, not as the code has them.
const TYPES = 'https://www.mediawiki.org/wiki/Kask/errors/';
const TITLES = {
  400: ['bad_request', 'Bad request'],
  404: ['not_found', 'Not found'],
  405: ['method_not_allowed', 'Method not allowed'],
  412: ['precondition_failed', 'Precondition failed'],
  413: ['too_large', 'Content too large'],
  415: ['unsupported_media_type', 'Unsupported media type'],
  431: ['headers_too_large', 'Request header fields too large'],
} as const;

const BAD_TTL = 'Kask-TTL is no whole number of seconds from 1 to 864000';
const UNMET = 'What is stored is not what the request depends on';
export const MISS = 'The value you requested was not found';
const NOTHING_HERE = 'There is nothing at this path';
const BAD_CODING = 'The only transfer coding that is taken is chunked';
export const NOT_HTTP = 'The request could not be read as HTTP';
const BAD_ESCAPE = 'The key has a percent sign that two hexadecimal digits do not follow';
const BAD_UTF8 = 'The key is not valid UTF-8';
const TWO_SEGMENTS = 'A key is one path segment; a slash in it is written %2F';

const NOT_ATOMIC = { type: `${TYPES}not_atomic`, title: 'Not atomic' };

const ALWAYS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** What every client may rely on, of a service that `start` starts: as a process, or in a container. */
export function describeHttpContract(
  start: (settings: Record<string, unknown>) => Promise<KaskProcess>,
): void {
  let kask: KaskProcess;

  beforeAll(async () => {
    kask = await start({
      storage: 'embedded',
      problem_instance: 'path',
      max_value_bytes: MAX_VALUE_BYTES,
      namespaces: { carts: { keys: ['cart:*'], atomic: true } },
    });
  });
  afterAll(() => kask?.stop());

  const ask = (request: RawRequest): Promise<RawAnswer> => exchange(kask.origin, request);
  const get = (key: string): Promise<RawAnswer> => ask({ target: BASE + key });
  const post = (key: string, body: string | Buffer, headers = {}): Promise<RawAnswer> =>
    ask({ method: 'POST', target: BASE + key, body, headers });
  const open = (): Promise<RawConnection> => RawConnection.open(kask.origin);
  const residentBytes = (): Promise<number> => metric(kask, 'process_resident_memory_bytes');

  describe('the table of the contract', () => {
    it('answers 404 to a key that is absent', async () => {
      expect(told(await get('absent'))).toEqual(problem(404, MISS, `${BASE}absent`));
    });

    it.each(['POST', 'PUT'])('stores with %s and answers 201 without a body', async (method) => {
      const target = `${BASE}stored-by-${method}`;
      const answer = await ask({ method, target, body: 'Ada' });
      expect(told(answer)).toEqual(stored('Ada'));
      expect(told(await ask({ target }))).toEqual(value('Ada'));
      expect((await ask({ method, target, body: 'Grace' })).status).toBe(201);
      expect(told(await ask({ target }))).toEqual(value('Grace'));
    });

    it.each(['POST', 'PUT'])('refuses an empty body with %s and stores nothing', async (method) => {
      const target = `${BASE}empty`;
      const refused = problem(400, 'The request body is empty', target);
      expect(told(await ask({ method, target, body: '' }))).toEqual(refused);
      expect(told(await ask({ method, target }))).toEqual(refused);
      const chunked = { 'Transfer-Encoding': 'chunked' };
      expect(told(await ask({ method, target, headers: chunked, body: LAST_CHUNK }))).toEqual(refused);
      expect((await ask({ target })).status).toBe(404);
    });

    it('deletes a key, present or not, and answers 204', async () => {
      const target = `${BASE}deleted`;
      await post('deleted', 'x');
      expect(told(await ask({ method: 'DELETE', target }))).toEqual({
        status: 204,
        headers: ALWAYS,
        body: '',
      });
      expect((await ask({ target })).status).toBe(404);
      expect(told(await ask({ method: 'DELETE', target }))).toEqual({
        status: 204,
        headers: ALWAYS,
        body: '',
      });
    });

    it.each([
      ['a query string', 'key?a=b', 400, 'A query string is not allowed here', 'key'],
      ['a query string and no key', '?a=b', 400, 'A query string is not allowed here', ''],
      ['a query string of question marks', 'key??', 400, 'A query string is not allowed here', 'key'],
      ['no key', '', 404, 'There is no key in the path', ''],
      ['no key and an empty query string', '?', 404, 'There is no key in the path', ''],
      ['two segments', 'a/b', 404, TWO_SEGMENTS, 'a/b'],
      ['a slash after the key', 'a/', 404, TWO_SEGMENTS, 'a/'],
      ['a slash before the key', '/a', 404, TWO_SEGMENTS, '/a'],
    ] as const)('refuses %s', async (_, rest, status, detail, instance) => {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const answer = await ask({ method, target: BASE + rest, body: 'x' });
        expect(told(answer)).toEqual(problem(status, detail, BASE + instance));
      }
    });

    // The service before looked whether the query string was empty, not whether there was a question mark.
    it('takes a question mark that nothing follows for no query string', async () => {
      expect((await post('question-mark?', 'x')).status).toBe(201);
      expect(told(await get('question-mark'))).toEqual(value('x'));
      expect(told(await get('question-mark?'))).toEqual(value('x'));
    });

    it.each([
      '/sessions/v1',
      '/sessions/v1?x',
      '/sessions/v%31',
      '/sessions',
      '/',
      '/nothing',
      '/sessions/v2/a',
    ])('has nothing at %s', async (target) => {
      const instance = target.replace(/\?.*/, '');
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) {
        const headers = { 'Content-Type': ';;bogus' };
        expect(told(await ask({ method, target, headers, body: 'x' }))).toEqual(
          problem(404, NOTHING_HERE, instance),
        );
      }
    });

    it('takes a target in absolute form, as a proxy may send it', async () => {
      await post('absolute', 'x');
      expect(told(await ask({ target: `http://other.test${BASE}absolute` }))).toEqual(value('x'));
      expect(told(await ask({ target: `http://other.test:81${BASE}none` }))).toEqual(
        problem(404, MISS, `${BASE}none`),
      );
      expect(told(await ask({ target: 'http://other.test/sessions/v1' }))).toEqual(
        problem(404, NOTHING_HERE, '/sessions/v1'),
      );
      expect((await ask({ target: 'http://other.test/healthz' })).status).toBe(200);
    });

    it('answers a client of HTTP/1.0, which sends no Host', async () => {
      await post('old-client', 'x');
      const connection = await open();
      connection.send(`GET ${BASE}old-client HTTP/1.0\r\n\r\n`);
      expect(told(await connection.answer())).toEqual(value('x'));
      await connection.untilEnded();
    });
  });

  describe('a value', () => {
    it.each([
      'application/octet-stream',
      'application/x-www-form-urlencoded',
      'application/json',
      'application/json; charset=utf-16',
      'text/plain',
      'multipart/form-data',
      'application/problem+json',
      ';;bogus',
      '/',
      '',
      'a'.repeat(5_000),
    ])('is bytes, whatever its Content-Type says: %.40p', async (type) => {
      for (const method of ['POST', 'PUT']) {
        const body = `{"not JSON & a=b ${method}`;
        const headers = { 'Content-Type': type };
        expect((await ask({ method, target: `${BASE}typed`, headers, body })).status).toBe(201);
        expect(told(await get('typed'))).toEqual(value(body));
      }
    });

    it('is bytes without a Content-Type too', async () => {
      expect((await post('untyped', '{"a":')).status).toBe(201);
      expect(told(await get('untyped'))).toEqual(value('{"a":'));
    });

    it('keeps every byte, and its Content-Encoding is nobody else’s', async () => {
      const headers = { 'Content-Encoding': 'gzip', 'Content-Type': 'application/json' };
      expect((await post('bytes', ALL_BYTES, headers)).status).toBe(201);
      expect(told(await get('bytes'))).toEqual(value(ALL_BYTES));
      const wanting = await ask({
        target: `${BASE}bytes`,
        headers: { 'Accept-Encoding': 'gzip, br', Accept: 'text/html' },
      });
      expect(told(wanting)).toEqual(value(ALL_BYTES));
    });

    it.each([1, 2_129_920, MAX_VALUE_BYTES])('of %p bytes is stored', async (size) => {
      const bytes = Buffer.alloc(size, ALL_BYTES);
      expect((await post('sized', bytes)).status).toBe(201);
      const answer = await get('sized');
      expect(answer.status).toBe(200);
      expect(answer.body.equals(bytes)).toBe(true);
    });

    it('may come in chunks', async () => {
      const body = Buffer.concat([
        chunk(ALL_BYTES),
        chunk('more'),
        chunk(ALL_BYTES),
        Buffer.from(LAST_CHUNK),
      ]);
      const headers = { 'Transfer-Encoding': 'chunked' };
      expect((await post('chunked', body, headers)).status).toBe(201);
      expect(told(await get('chunked'))).toEqual(
        value(Buffer.concat([ALL_BYTES, Buffer.from('more'), ALL_BYTES])),
      );
    });

    it.each<Record<string, string>>([{ 'Content-Length': '11' }, { 'Transfer-Encoding': 'chunked' }])(
      'may wait to be asked for: %p',
      async (framing) => {
        const connection = await open();
        const headers = { Expect: '100-continue', ...framing };
        connection.send(requestBytes({ method: 'PUT', target: `${BASE}expected`, headers }));
        expect(await connection.answer('PUT')).toMatchObject({ status: 100 });
        const chunked = 'Transfer-Encoding' in framing;
        connection.send(chunked ? chunk('hello world') : 'hello world');
        if (chunked) connection.send(LAST_CHUNK);
        expect((await connection.answer('PUT')).status).toBe(201);
        connection.destroy();
        expect(told(await get('expected'))).toEqual(value('hello world'));
        await ask({ method: 'DELETE', target: `${BASE}expected` });
      },
    );

    it.each([
      ['is too large', `${BASE}expected`, { 'Content-Length': String(MAX_VALUE_BYTES + 1) }, 413],
      ['has no good key', `${BASE}%zz`, { 'Content-Length': '11' }, 400],
      ['is nowhere', '/nowhere', { 'Content-Length': '11' }, 404],
    ])('is not asked for if the request %s', async (_, target, framing, status) => {
      const connection = await open();
      connection.send(
        requestBytes({ method: 'PUT', target, headers: { Expect: '100-continue', ...framing } }),
      );
      expect((await connection.answer('PUT')).status).toBe(status);
      connection.destroy();
    });

    it('is asked for with 100 of no client of HTTP/1.0', async () => {
      const connection = await open();
      connection.send(
        `PUT ${BASE}old-client HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nvalue`,
      );
      expect((await connection.answer()).status).toBe(201);
      connection.destroy();
    });

    it('is stored whatever else the client expects', async () => {
      expect((await post('expecting', 'x', { Expect: 'the-moon' })).status).toBe(201);
      expect(told(await get('expecting'))).toEqual(value('x'));
    });
  });

  describe('the life of a value', () => {
    const left = async (key: string): Promise<string | undefined> => (await get(key)).headers['kask-ttl'];
    const touch = (key: string, headers = {}, body?: string): Promise<RawAnswer> =>
      ask({ method: 'PATCH', target: BASE + key, headers, body });
    /** Of a touch. */
    const renewed = (bytes: string | Buffer, seconds: string): Told => ({
      status: 204,
      headers: { ...ALWAYS, etag: entityTag(bytes), 'kask-ttl': seconds },
      body: '',
    });

    it.each(['POST', 'PUT'])('is what Kask-TTL of a %s says', async (method) => {
      for (const seconds of ['864000', '1000']) {
        const headers = { 'Kask-TTL': seconds };
        expect((await ask({ method, target: `${BASE}lives`, headers, body: 'x' })).status).toBe(201);
        expect(hundreds(await left('lives'))).toBe(seconds);
      }
      await post('lives', 'x');
      expect(hundreds(await left('lives'))).toBe('86400');
    });

    it('ends', async () => {
      await post('brief', 'x', { 'Kask-TTL': '1' });
      await sleep(1_500);
      expect(told(await get('brief'))).toEqual(problem(404, MISS, `${BASE}brief`));
      expect(told(await touch('brief'))).toEqual(problem(404, MISS, `${BASE}brief`));
    });

    it.each(['0', '', '2592001', '-1', '1.5', 'ever', '60, 60'])(
      'is not %j, and nothing is stored',
      async (seconds) => {
        const headers = { 'Kask-TTL': seconds };
        const refused = problem(400, BAD_TTL, `${BASE}lifeless`);
        expect(told(await post('lifeless', 'x', headers))).toEqual(refused);
        expect(told(await touch('lifeless', headers))).toEqual(refused);
        expect((await get('lifeless')).status).toBe(404);
      },
    );

    it('does not matter to who reads and deletes', async () => {
      await post('mattering', 'x');
      const headers = { 'Kask-TTL': 'none' };
      expect((await ask({ target: `${BASE}mattering`, headers })).status).toBe(200);
      expect((await ask({ method: 'DELETE', target: `${BASE}mattering`, headers })).status).toBe(204);
    });

    it('is renewed by a PATCH, and the value stays', async () => {
      await post('touched', ALL_BYTES, { 'Kask-TTL': '100' });
      expect(told(await touch('touched', { 'Kask-TTL': '5000' }))).toEqual(renewed(ALL_BYTES, '5000'));
      expect(hundreds(await left('touched'))).toBe('5000');
      expect((await touch('touched')).headers['kask-ttl']).toBe('86400');
      expect(told(await get('touched'))).toEqual(value(ALL_BYTES));
      expect(told(await touch('never-there'))).toEqual(problem(404, MISS, `${BASE}never-there`));
    });

    it('is renewed by no PATCH that has a body', async () => {
      await post('patched', 'x', { 'Kask-TTL': '100' });
      const refused = problem(415, 'A PATCH renews the expiry, and has no body', `${BASE}patched`);
      expect(told(await touch('patched', {}, 'y'))).toEqual(refused);
      const chunked = { 'Transfer-Encoding': 'chunked' };
      expect(told(await touch('patched', chunked, '1\r\ny\r\n0\r\n\r\n'))).toEqual(refused);
      expect(hundreds(await left('patched'))).toBe('100');
      expect((await touch('patched', chunked, LAST_CHUNK)).status).toBe(204);
    });
  });

  describe('a reader who has a value', () => {
    const read = (headers: Record<string, string>, method = 'GET'): Promise<RawAnswer> =>
      ask({ method, target: `${BASE}had`, headers });

    beforeAll(() => post('had', 'Ada'));

    it.each([entityTag('Ada'), `W/${entityTag('Ada')}`, `"a,b", ${entityTag('Ada')}`, '*'])(
      'is not sent it again: %s',
      async (tags) => {
        const { etag, 'kask-ttl': ttl } = value('Ada').headers;
        for (const method of ['GET', 'HEAD'])
          expect(told(await read({ 'If-None-Match': tags }, method))).toEqual({
            status: 304,
            headers: { ...ALWAYS, etag, 'kask-ttl': ttl },
            body: '',
          });
      },
    );

    it('is sent another one', async () => {
      expect(told(await read({ 'If-None-Match': entityTag('Grace') }))).toEqual(value('Ada'));
      expect(told(await read({ 'If-Match': entityTag('Ada') }))).toEqual(value('Ada'));
      expect(told(await read({ 'If-Match': entityTag('Grace') }))).toEqual(problem(412, UNMET, `${BASE}had`));
      expect((await read({ 'If-Match': entityTag('Grace') }, 'HEAD')).status).toBe(412);
    });

    it('is told of what is absent as ever', async () => {
      const headers = { 'If-Match': '"x"', 'If-None-Match': '*' };
      expect(told(await ask({ target: `${BASE}absent`, headers }))).toEqual(
        problem(404, MISS, `${BASE}absent`),
      );
    });

    it.each(['If-Match', 'If-None-Match'])('says so in quotes: %s', async (name) => {
      const detail = `${name} is neither * nor a list of entity tags, each in double quotes`;
      for (const text of ['Ada', '', '"Ada'])
        expect(told(await read({ [name]: text }))).toEqual(problem(400, detail, `${BASE}had`));
    });
  });

  describe('a write that depends on what is stored', () => {
    const ASKING: [string, Record<string, string>][] = [
      ['PUT', { 'If-None-Match': '*' }],
      ['POST', { 'If-None-Match': '*' }],
      ['PUT', { 'If-Match': '*' }],
      ['PATCH', { 'If-Match': '*' }],
      ['DELETE', { 'If-Match': '*' }],
    ];
    const send = (method: string, key: string, headers = {}, body?: string): Promise<RawAnswer> =>
      ask({ method, target: BASE + key, headers, body: method === 'PATCH' ? undefined : body });
    const status = async (...request: Parameters<typeof send>): Promise<number> =>
      (await send(...request)).status;

    it.each(ASKING)('is refused where the namespace is not atomic: %s %j', async (method, headers) => {
      await post('plain', 'as before');
      const { body, ...refused } = problem(400, 'The namespace other is not declared atomic', `${BASE}plain`);
      const answer = told(await send(method, 'plain', headers, 'x'));
      expect(answer).toMatchObject({ status: refused.status, body: { ...(body as object), ...NOT_ATOMIC } });
      expect(told(await get('plain'))).toEqual(value('as before'));
    });

    it('makes a session once', async () => {
      expect(told(await send('PUT', 'cart:made', { 'If-None-Match': '*' }, 'first'))).toEqual(
        stored('first'),
      );
      expect(told(await send('PUT', 'cart:made', { 'If-None-Match': '*' }, 'second'))).toEqual(
        problem(412, UNMET, `${BASE}cart:made`),
      );
      expect(told(await get('cart:made'))).toEqual(value('first'));
    });

    it('makes it once however many ask at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => send('PUT', 'cart:raced', { 'If-None-Match': '*' }, `of ${i}`)),
      );
      const winners = answers.flatMap((answer, i) => (answer.status === 201 ? [`of ${i}`] : []));
      expect(winners).toHaveLength(1);
      expect(answers.filter((answer) => answer.status === 412)).toHaveLength(49);
      expect(told(await get('cart:raced'))).toEqual(value(winners[0] as string));
    });

    it('replaces what the client has seen, and nothing else', async () => {
      const seen = { 'If-Match': entityTag('1') };
      expect(await status('PUT', 'cart:swapped', seen, '2')).toBe(412);
      expect(await status('PUT', 'cart:swapped', {}, '1')).toBe(201);
      expect(told(await send('PUT', 'cart:swapped', seen, '2'))).toEqual(stored('2'));
      expect(await status('PUT', 'cart:swapped', seen, '3')).toBe(412);
      expect(await status('PUT', 'cart:swapped', { 'If-Match': `"x", ${entityTag('2')}` }, '3')).toBe(201);
      expect(await status('PUT', 'cart:swapped', { 'If-Match': `W/${entityTag('3')}` }, '4')).toBe(412);
      expect(await status('PUT', 'cart:swapped', { 'If-Match': '*' }, '4')).toBe(201);
      expect(told(await get('cart:swapped'))).toEqual(value('4'));
    });

    it('loses no update of many who try again', async () => {
      await send('PUT', 'cart:counted', {}, '0');
      await Promise.all(Array.from({ length: 10 }, increase));
      expect(told(await get('cart:counted'))).toEqual(value('10'));
    });

    async function increase(): Promise<void> {
      const { headers, body } = await get('cart:counted');
      const next = String(Number(body.toString()) + 1);
      const answer = await status('PUT', 'cart:counted', { 'If-Match': headers.etag }, next);
      if (answer === 412) return increase();
      expect(answer).toBe(201);
    }

    it('renews and deletes what the client has seen', async () => {
      const [seen, other] = [{ 'If-Match': entityTag('1') }, { 'If-Match': entityTag('2') }];
      expect(await status('PATCH', 'cart:ended', seen)).toBe(404);
      expect(await status('DELETE', 'cart:ended', seen)).toBe(412);
      expect(await status('DELETE', 'cart:ended')).toBe(204);
      await send('PUT', 'cart:ended', {}, '1');
      expect(await status('PATCH', 'cart:ended', other)).toBe(412);
      const answer = await send('PATCH', 'cart:ended', { ...seen, 'Kask-TTL': '500' });
      expect([answer.status, answer.headers['kask-ttl'], answer.headers.etag]).toEqual([
        204,
        '500',
        entityTag('1'),
      ]);
      expect(await status('PATCH', 'cart:ended')).toBe(204);
      expect(await status('DELETE', 'cart:ended', other)).toBe(412);
      expect(await status('DELETE', 'cart:ended', seen)).toBe(204);
      expect((await get('cart:ended')).status).toBe(404);
    });

    it('can have a life of its own', async () => {
      await send('PUT', 'cart:lives', { 'If-None-Match': '*', 'Kask-TTL': '1' }, 'x');
      await sleep(1_500);
      expect(await status('PUT', 'cart:lives', { 'If-None-Match': '*', 'Kask-TTL': '700' }, 'y')).toBe(201);
      expect(hundreds((await get('cart:lives')).headers['kask-ttl'])).toBe('700');
    });

    it.each([
      ['PUT', { 'If-None-Match': '"x"' }, 'The only If-None-Match of a write is *'],
      ['PATCH', { 'If-None-Match': '*' }, 'If-None-Match is of GET, HEAD, PUT and POST'],
      ['DELETE', { 'If-None-Match': '*' }, 'If-None-Match is of GET, HEAD, PUT and POST'],
      [
        'PUT',
        { 'If-Match': '*', 'If-None-Match': '*' },
        'If-Match and If-None-Match cannot both be of one write',
      ],
      ['PUT', { 'If-Match': 'x' }, 'If-Match is neither * nor a list of entity tags, each in double quotes'],
    ])('is refused where it makes no sense: %s %j', async (method, headers, detail) => {
      const answer = await send(method, 'cart:absurd', headers, 'x');
      expect(told(answer)).toEqual(problem(400, detail, `${BASE}cart:absurd`));
      expect((await get('cart:absurd')).status).toBe(404);
    });

    it('is refused before its value is sent', async () => {
      const connection = await open();
      const headers = { 'If-Match': '*', 'Content-Length': '100000', Expect: '100-continue' };
      connection.send(requestBytes({ method: 'PUT', target: `${BASE}plain`, headers }));
      const answer = await connection.answer('PUT');
      expect([answer.status, answer.headers.connection]).toEqual([400, 'close']);
      connection.destroy();
    });
  });

  describe('a value that is too large', () => {
    const TOO_LARGE = `The value is larger than ${MAX_VALUE_BYTES} bytes`;
    const target = `${BASE}too-large`;
    const refused = problem(413, TOO_LARGE, target);

    beforeEach(() => post('too-large', 'as before'));
    afterEach(async () => expect(told(await get('too-large'))).toEqual(value('as before')));

    it.each(['POST', 'PUT', 'DELETE'])('by one byte is refused with %s', async (method) => {
      expect(told(await ask({ method, target, body: Buffer.alloc(MAX_VALUE_BYTES + 1) }))).toEqual(refused);
    });

    it('is refused by its Content-Length, before any of it is sent', async () => {
      const connection = await open();
      const headers = { 'Content-Length': String(MAX_VALUE_BYTES + 1) };
      connection.send(requestBytes({ method: 'POST', target, headers }));
      expect(told(await connection.answer())).toEqual(refused);
      connection.destroy();
    });

    it.each<Record<string, string>>([
      { 'Content-Length': String(MAX_VALUE_BYTES + 1) },
      { 'Content-Length': String(MAX_VALUE_BYTES + 1), Expect: '100-continue' },
      { 'Transfer-Encoding': 'chunked' },
    ])('ends its connection, and says so: %p', async (headers) => {
      const connection = await open();
      connection.send(requestBytes({ method: 'POST', target, headers }));
      if ('Transfer-Encoding' in headers) connection.send(chunk(Buffer.alloc(MAX_VALUE_BYTES + 1)));
      const answer = await connection.answer();
      expect(told(answer)).toEqual(refused);
      expect(answer.headers.connection).toBe('close');
      await connection.untilEnded();
      connection.destroy();
    });

    it('is refused while its chunks still come', async () => {
      const connection = await open();
      const headers = { 'Transfer-Encoding': 'chunked' };
      connection.send(requestBytes({ method: 'POST', target, headers }));
      connection.send(chunk(Buffer.alloc(MAX_VALUE_BYTES)));
      connection.send(chunk('x'));
      expect(told(await connection.answer())).toEqual(refused);
      connection.destroy();
    });

    it.each<Record<string, string>>([
      { 'Content-Length': String(2 * MAX_VALUE_BYTES) },
      { 'Transfer-Encoding': 'chunked' },
    ])('is read to its end, so that a client that only then looks finds the answer: %p', async (framing) => {
      const connection = await open();
      connection.send(requestBytes({ method: 'POST', target, headers: framing }));
      const part = Buffer.alloc(65_536);
      for (let sent = 0; sent < 2 * MAX_VALUE_BYTES; sent += part.length) {
        await connection.deliver('Transfer-Encoding' in framing ? chunk(part) : part);
      }
      if ('Transfer-Encoding' in framing) await connection.deliver(LAST_CHUNK);
      expect(connection.error).toBeUndefined();
      expect(told(await connection.answer())).toEqual(refused);
      await connection.untilEnded();
      expect(connection.error).toBeUndefined();
      connection.destroy();
    });

    it('is not kept in memory', async () => {
      const before = await residentBytes();
      const connection = await open();
      connection.send(requestBytes({ method: 'POST', target, headers: { 'Transfer-Encoding': 'chunked' } }));
      const part = chunk(Buffer.alloc(1_048_576));
      for (let sent = 0; sent < 256 && !connection.closed; sent++) await connection.deliver(part);
      expect((await residentBytes()) - before).toBeLessThan(128 * 1_048_576);
      expect(told(await connection.answer())).toEqual(refused);
      connection.destroy();
    });
  });

  describe('a body that ends early', () => {
    const PARTS: [string, Record<string, string>, string][] = [
      ['with less than its Content-Length', { 'Content-Length': '100' }, 'half of it'],
      ['within a chunk', { 'Transfer-Encoding': 'chunked' }, '64\r\nhalf of it'],
      ['after a whole chunk, without the last', { 'Transfer-Encoding': 'chunked' }, '3\r\nabc\r\n'],
      ['before its first byte', { 'Content-Length': '100' }, ''],
    ];

    async function sendPart(
      key: string,
      headers: Record<string, string>,
      part: string,
    ): Promise<RawConnection> {
      const connection = await open();
      connection.send(requestBytes({ method: 'POST', target: BASE + key, headers }));
      await connection.deliver(part);
      await untilInFlight(kask, 1);
      return connection;
    }

    it.each(PARTS)('%s stores nothing when the client dies', async (_, headers, part) => {
      await post('halved', 'as before');
      for (const key of ['halved', 'never-whole']) {
        (await sendPart(key, headers, part)).reset();
        await untilInFlight(kask, 0);
      }
      expect(told(await get('halved'))).toEqual(value('as before'));
      expect((await get('never-whole')).status).toBe(404);
    });

    it.each(PARTS)('%s stores nothing when the client ends, and is told so', async (_, headers, part) => {
      await post('halved', 'as before');
      for (const key of ['halved', 'never-whole']) {
        const connection = await sendPart(key, headers, part);
        connection.finish();
        const endedEarly = problem(400, 'The request body ended early', BASE + key);
        expect(told(await connection.answer())).toEqual(endedEarly);
        await connection.untilEnded();
        await untilInFlight(kask, 0);
      }
      expect(told(await get('halved'))).toEqual(value('as before'));
      expect((await get('never-whole')).status).toBe(404);
    });
  });

  describe('a connection', () => {
    it('is kept after errors', async () => {
      const connection = await open();
      const requests: [RawRequest, number][] = [
        [{ target: `${BASE}kept` }, 404],
        [{ method: 'OPTIONS', target: `${BASE}kept`, body: 'not read' }, 405],
        [
          { method: 'POST', target: `${BASE}kept?x`, body: 'not read', headers: { 'Content-Type': ';;' } },
          400,
        ],
        [{ method: 'POST', target: `${BASE}kept`, body: '' }, 400],
        [{ target: `${BASE}%zz` }, 400],
        [{ target: '/%zz' }, 400],
        [{ method: 'POST', target: '/nothing', body: 'not read' }, 404],
        [{ method: 'PUT', target: `${BASE}kept`, body: 'x' }, 201],
        [{ method: 'HEAD', target: `${BASE}kept` }, 200],
        [{ method: 'DELETE', target: `${BASE}kept` }, 204],
      ];
      for (const [request, status] of requests) {
        connection.send(requestBytes(request));
        expect([request, (await connection.answer(request.method)).status]).toEqual([request, status]);
      }
      expect(connection.ended).toBe(false);
      connection.destroy();
    });

    it('takes pipelined requests in their order', async () => {
      const connection = await open();
      const target = `${BASE}pipelined`;
      const requests: RawRequest[] = [
        { method: 'POST', target, body: 'first' },
        { target },
        { method: 'OPTIONS', target, body: 'not read' },
        { method: 'PUT', target, body: Buffer.alloc(100_000, 'b') },
        { target },
        { method: 'DELETE', target },
      ];
      connection.send(Buffer.concat(requests.map(requestBytes)));
      const answers: RawAnswer[] = [];
      for (const { method } of requests) answers.push(await connection.answer(method));
      expect(answers.map(({ status }) => status)).toEqual([201, 200, 405, 201, 200, 204]);
      expect(answers[1]?.body.toString()).toBe('first');
      expect(answers[4]?.body.toString()).toBe('b'.repeat(100_000));
      connection.destroy();
    });

    it('does nothing for what is pipelined behind its last answer', async () => {
      const connection = await open();
      const target = `${BASE}behind-the-last`;
      connection.send(
        Buffer.concat([
          requestBytes({
            method: 'POST',
            target,
            body: LAST_CHUNK,
            headers: { 'Transfer-Encoding': 'gzip, chunked' },
          }),
          requestBytes({ method: 'POST', target, body: 'not stored' }),
          requestBytes({ target }),
          requestBytes({ target: '/healthz' }),
        ]),
      );
      const answer = await connection.answer();
      expect([answer.status, answer.headers.connection]).toEqual([400, 'close']);
      await connection.untilEnded();
      expect(connection.rest).toBe('');
      await untilInFlight(kask, 0);
      expect((await get('behind-the-last')).status).toBe(404);
    });

    it('leaves nothing in flight when its client dies with requests pipelined', async () => {
      const target = `${BASE}large-answer`;
      await post('large-answer', Buffer.alloc(MAX_VALUE_BYTES));
      const answered = async (): Promise<number> => {
        const counts = await requestCounts(kask);
        return (counts['GET 200'] ?? 0) + (counts['GET 499'] ?? 0);
      };
      const before = await answered();
      const connection = await open();
      connection.pause();
      connection.send(Buffer.concat(new Array<Buffer>(20).fill(requestBytes({ target }))));
      while ((await metric(kask, 'kask_http_requests_in_flight')) < 3) await sleep(20);
      connection.reset();
      await untilInFlight(kask, 0);
      expect((await answered()) - before).toBe(20);
    });
  });

  describe('a key', () => {
    it('may be of 1 byte', async () => {
      expect((await post('k', 'x')).status).toBe(201);
      expect(told(await get('k'))).toEqual(value('x'));
    });

    it.each([
      ['as it is', 'k'.repeat(1_024)],
      ['escaped', '%6B'.repeat(1_024)],
      ['of 2 bytes a character', '%C3%BC'.repeat(512)],
    ])('may be of 1,024 bytes: %s', async (how, key) => {
      expect((await post(key, how)).status).toBe(201);
      expect(told(await get(key))).toEqual(value(how));
    });

    it.each([
      ['of 1,025 bytes', 'k'.repeat(1_025), 'The key is longer than 1024 bytes'],
      ['of 1,025 escaped bytes', '%6b'.repeat(1_025), 'The key is longer than 1024 bytes'],
      ['of fewer characters but 1,026 bytes', '%C3%BC'.repeat(513), 'The key is longer than 1024 bytes'],
      ['with a byte that no UTF-8 has', '%FF', BAD_UTF8],
      ['that ends within a character', 'caf%C3', BAD_UTF8],
      ['with an overlong form', '%C0%AF', BAD_UTF8],
      ['with an overlong NUL', '%C0%80', BAD_UTF8],
      ['with a surrogate', '%ED%A0%80', BAD_UTF8],
      ['past the end of Unicode', '%F4%90%80%80', BAD_UTF8],
      ['with a NUL', 'a%00b', 'The key contains a NUL character'],
      ['of a NUL', '%00', 'The key contains a NUL character'],
      ['with an escape that is none', 'a%zzb', BAD_ESCAPE],
      ['that ends with a percent sign', 'a%', BAD_ESCAPE],
      ['that ends within an escape', 'a%2', BAD_ESCAPE],
      ['with a percent sign for itself', '100%-sure', BAD_ESCAPE],
    ])('%s is refused', async (_, key, detail) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
        const answer = await ask({ method, target: BASE + key, body: 'x' });
        const refused = problem(400, detail, BASE + key);
        expect(method === 'HEAD' ? answer.status : told(answer)).toEqual(method === 'HEAD' ? 400 : refused);
      }
    });

    it.each([
      ['a colon', 'wiki:MWSession:x', 'wiki%3AMWSession%3ax'],
      ['a letter', 'abc', '%61b%63'],
      ['a plus', 'a+b', 'a%2Bb'],
      ['dots', '..', '%2e%2E'],
      ['a dot', '.', '%2e'],
      ['a semicolon', 'a;b=c', 'a%3Bb%3Dc'],
      ['what RFC 3986 reserves', `!$&'()*+,;=@`, '%21%24%26%27%28%29%2A%2B%2C%3B%3D%40'],
      ['characters of many bytes', '%F0%9F%A6%8A%E7%8B%90', '%f0%9f%a6%8a%e7%8b%90'],
    ])('is the same with %s escaped and not', async (how, plain, escaped) => {
      expect((await post(plain, how)).status).toBe(201);
      expect(told(await get(escaped))).toEqual(value(how));
      expect((await ask({ method: 'DELETE', target: BASE + escaped })).status).toBe(204);
      expect((await get(plain)).status).toBe(404);
    });

    it('is decoded once, and every other key is another', async () => {
      const keys = [
        'a',
        'A',
        'a+b',
        'a%20b',
        'a%2Fb',
        'a%252Fb',
        'a%25252Fb',
        'a%2fb%2F',
        '%2Fa',
        '%2F',
        '%3F',
        'a%3Fb',
      ]
        .concat([
          '%23',
          '%25',
          '%2500',
          '%25zz',
          'a;b=c',
          'a;b',
          '.',
          '..',
          '...',
          '%2E%2E%2Fa',
          '~',
          '%7E%7E',
        ])
        .concat([
          '__proto__',
          'constructor',
          'hasOwnProperty',
          'toString',
          'healthz',
          'metrics',
          'null',
          'undefined',
        ])
        .concat([
          '%C3%BC',
          'u%CC%88',
          '%EF%BB%BFbom',
          'bom',
          '%20',
          '%20%20',
          '%0D%0A',
          '%7F',
          '%C2%80',
          '0',
          '00',
        ])
        .concat(['sessions', '%2Fsessions%2Fv1%2Fa', 'http:%2F%2Fhost%2Fa', '*', '*%3A80']);
      for (const key of keys) expect([key, (await post(key, `value of ${key}`)).status]).toEqual([key, 201]);
      for (const key of keys) expect([key, told(await get(key))]).toEqual([key, value(`value of ${key}`)]);
      for (const key of keys) expect((await ask({ method: 'DELETE', target: BASE + key })).status).toBe(204);
      for (const key of keys) expect([key, (await get(key)).status]).toEqual([key, 404]);
    });

    it('that is nobody’s is absent, though every object has it', async () => {
      for (const key of ['__proto__', 'constructor', 'toString']) {
        expect(told(await get(key))).toEqual(problem(404, MISS, BASE + key));
      }
    });

    // RFC 9112 section 3.2 knows no such octets in a target; Node's parser, the first to see them, agrees.
    it.each([Buffer.from(`${BASE}ü`), Buffer.from(`${BASE}a b`), Buffer.from(`${BASE}a\0b`)])(
      'is not taken in octets that a target cannot have: %p',
      async (target) => {
        expect(toldUnparsed(await ask({ target }))).toEqual(problem(400, NOT_HTTP, '/'));
      },
    );
  });

  describe('a method', () => {
    it.each(['OPTIONS', 'TRACE', 'PROPFIND', 'PURGE', 'M-SEARCH', 'LOCK', 'COPY'])(
      '%s is not allowed',
      async (method) => {
        const target = `${BASE}method`;
        for (const rest of ['', '?x', '/x', '%zz']) {
          const answer = await ask({ method, target: target + rest });
          const instance = target + rest.replace(/\?.*/, '');
          expect(told(answer)).toEqual(notAllowed(method, instance, 'GET, HEAD, POST, PUT, PATCH, DELETE'));
        }
      },
    );

    it.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PURGE'])(
      '%s is not for the other endpoints',
      async (method) => {
        for (const target of ['/healthz', '/healthz/live', '/healthz/ready', '/metrics', '/openapi']) {
          const answer = await ask({ method, target: `${target}?x`, body: 'not read' });
          expect(told(answer)).toEqual(notAllowed(method, target, 'GET, HEAD'));
        }
      },
    );

    it.each(['BOGUS', 'get', 'G\u00cbT'])('%s is none', async (method) => {
      expect(toldUnparsed(await ask({ method, target: `${BASE}method` }))).toEqual(
        problem(400, NOT_HTTP, '/'),
      );
    });

    it('CONNECT, which is for proxies, is answered by closing the connection', async () => {
      const connection = await open();
      connection.send('CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n');
      await connection.untilEnded();
      expect(connection.rest).toBe('');
      connection.destroy();
    });

    it('HEAD is answered as GET, without the body', async () => {
      await post('headed', ALL_BYTES);
      const connection = await open();
      connection.send(requestBytes({ method: 'HEAD', target: `${BASE}headed` }));
      expect(told(await connection.answer('HEAD'))).toEqual({ ...value(ALL_BYTES), body: '' });
      connection.send(requestBytes({ method: 'HEAD', target: `${BASE}absent` }));
      const missing = await connection.answer('HEAD');
      const { headers } = await get('absent');
      expect(told(missing)).toEqual({ status: 404, headers: comparable(headers), body: '' });
      // Nothing of a body came in between, or this would be no answer.
      connection.send(requestBytes({ target: `${BASE}headed` }));
      expect(told(await connection.answer())).toEqual(value(ALL_BYTES));
      connection.destroy();
    });

    it.each([
      ['a Content-Length of 0', { 'Content-Length': '0' }, ''],
      ['a body', { 'Content-Type': ';;' }, 'ignored'],
      ['a chunked body', { 'Transfer-Encoding': 'chunked' }, `7\r\nignored\r\n${LAST_CHUNK}`],
    ])('GET and DELETE may carry %s', async (_, headers, body) => {
      await post('carried', 'x');
      const target = `${BASE}carried`;
      const connection = await open();
      connection.send(requestBytes({ target, headers, body }));
      expect(told(await connection.answer())).toEqual(value('x'));
      connection.send(requestBytes({ method: 'DELETE', target, headers, body }));
      expect((await connection.answer('DELETE')).status).toBe(204);
      connection.send(requestBytes({ target, headers, body }));
      expect((await connection.answer()).status).toBe(404);
      connection.destroy();
    });

    it('asking for another protocol is answered in this one', async () => {
      const headers = { Connection: 'Upgrade', Upgrade: 'websocket' };
      expect(told(await ask({ target: `${BASE}absent`, headers }))).toEqual(
        problem(404, MISS, `${BASE}absent`),
      );
    });
  });

  describe('a browser', () => {
    const from = (site: string) => ({ 'Sec-Fetch-Site': site });

    it.each(['cross-site', 'same-site', 'anything'])(
      'does nothing for a page of another site: %s',
      async (site) => {
        const target = `${BASE}of-a-page`;
        for (const method of ['POST', 'GET', 'DELETE'])
          expect(await ask({ method, target, headers: from(site), body: 'x' })).toMatchObject({
            status: 403,
          });
        expect((await ask({ target })).status).toBe(404);
      },
    );

    it.each(['http://evil.example', 'http://kask.test:8081', 'http://other.kask.test', 'null'])(
      'writes nothing for a page of another origin, where it tells no more: %s',
      async (origin) => {
        const target = `${BASE}of-a-page`;
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
          expect(await ask({ method, target, headers: { Origin: origin }, body: 'x' })).toMatchObject({
            status: 403,
          });
        expect((await ask({ target })).status).toBe(404);
      },
    );

    it.each(['http://kask.test', 'https://kask.test'])('writes for a page of our own: %s', async (origin) => {
      expect((await post('of-our-page', 'x', { Origin: origin })).status).toBe(201);
    });

    it.each(['same-origin', 'none'])('is served for our own pages, and whom it serves: %s', async (site) => {
      expect((await post('of-our-page', 'x', from(site))).status).toBe(201);
    });
  });

  describe('what is not HTTP', () => {
    const SECRET = 'sEcReT';

    it.each([
      ['no request line', `${SECRET}\r\n\r\n`],
      ['a TLS client', `\x16\x03\x01\x02\x00\x01${SECRET}\r\n\r\n`],
      ['HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${SECRET}`],
      ['an HTTP of the future', `GET ${BASE}${SECRET} HTTP/7.0\r\n\r\n`],
      ['a header without a colon', `GET ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\n${SECRET}\r\n\r\n`],
      [
        'a header with a space in its name',
        `GET ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\na b: ${SECRET}\r\n\r\n`,
      ],
      [
        'two lengths',
        `POST ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      ],
      [
        'a length that is none',
        `POST ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: ${SECRET}\r\n\r\nabc`,
      ],
      ['a negative length', `POST ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nabc`],
      [
        'a length and chunks',
        `POST ${BASE}${SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n${LAST_CHUNK}`,
      ],
    ])('is refused and not repeated: %s', async (_, bytes) => {
      const connection = await open();
      connection.send(bytes);
      expect(toldUnparsed(await connection.answer())).toEqual(problem(400, NOT_HTTP, '/'));
      await connection.untilEnded();
      expect(connection.rest).toBe('');
      connection.destroy();
      expect((await get(SECRET)).status).toBe(404);
    });

    it.each([
      ['a chunk without a length', 'chunked', `${SECRET}\r\n`, NOT_HTTP],
      ['an unknown framing', SECRET, 'abc', BAD_CODING],
      ['a coding that is not undone', 'gzip, chunked', LAST_CHUNK, BAD_CODING],
    ])(
      'is refused within a request, of which nothing but the path is repeated: %s',
      async (_, coding, body, detail) => {
        const connection = await open();
        const target = `${BASE}framing`;
        connection.send(
          requestBytes({ method: 'POST', target, headers: { 'Transfer-Encoding': coding }, body }),
        );
        const answer = await connection.answer();
        expect(told(answer)).toEqual(problem(400, detail, target));
        expect(answer.headers.connection).toBe('close');
        await connection.untilEnded();
        expect(connection.rest).toBe('');
        connection.destroy();
        expect((await get('framing')).status).toBe(404);
      },
    );

    it('needs a Host', async () => {
      const connection = await open();
      connection.send(`GET ${BASE}absent HTTP/1.1\r\n\r\n`);
      expect(told(await connection.answer())).toEqual(
        problem(400, 'The request has no Host header', `${BASE}absent`),
      );
      connection.destroy();
    });

    it.each([
      ['header', { target: `${BASE}key`, headers: { 'X-Secret': SECRET.repeat(3_000) } }],
      ['target', { target: BASE + SECRET.repeat(3_000) }],
    ])('is a %s of more than 16 KiB', async (_, request) => {
      const answer = await ask(request);
      expect(toldUnparsed(answer)).toEqual(problem(431, 'The request line and header are too large', '/'));
    });

    it('leaves its mark in no log', () => {
      expect(kask.stdout + kask.stderr).not.toContain(SECRET);
    });

    it.each(['/%zz', '/%'])('is no escape at %s', async (target) => {
      expect(told(await ask({ target }))).toEqual(
        problem(400, 'The request was incorrect or malformed', target),
      );
    });
  });

  describe('at the base URI /', () => {
    let root: KaskProcess;
    const at = (request: RawRequest) => exchange(root.origin, request);

    beforeAll(async () => {
      root = await start({ storage: 'embedded', problem_instance: 'path', base_uri: '/' });
    });
    afterAll(() => root?.stop());

    it.each(['key', 'a%2Fb', 'sessions', 'healthzz', 'healthz%2Flive', 'openapi.yaml', '__proto__'])(
      'stores the key %s',
      async (key) => {
        expect((await at({ method: 'PUT', target: `/${key}`, body: key })).status).toBe(201);
        expect(told(await at({ target: `/${key}` }))).toEqual(value(key));
        expect((await at({ method: 'DELETE', target: `/${key}` })).status).toBe(204);
        expect(told(await at({ target: `/${key}` }))).toEqual(problem(404, MISS, `/${key}`));
      },
    );

    it.each([
      ['/', 'There is no key in the path'],
      ['/healthz/other', TWO_SEGMENTS],
      ['/healthz/', TWO_SEGMENTS],
      ['//', TWO_SEGMENTS],
    ])('has nothing at %s', async (target, detail) => {
      expect(told(await at({ target }))).toEqual(problem(404, detail, target));
    });

    it.each(['/healthz', '/healthz/live', '/healthz/ready', '/metrics', '/openapi'])(
      'keeps %s',
      async (target) => {
        const written = await at({ method: 'POST', target, body: 'overwritten' });
        expect(told(written)).toEqual(notAllowed('POST', target, 'GET, HEAD'));
        for (const each of [target, `${target}?x`]) {
          const { status, body } = await at({ target: each });
          expect(status).toBe(200);
          expect(body.toString()).not.toContain('overwritten');
        }
      },
    );
  });
}

interface Told {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

/** An answer with all that has to be compared: a problem's document parsed, headers that belong to the connection left out. */
export function told({ status, headers, body }: RawAnswer): Told {
  const isProblem = headers['content-type'] === 'application/problem+json' && body.length > 0;
  const text = body.toString('latin1');
  return { status, headers: comparable(headers), body: isProblem ? (JSON.parse(text) as unknown) : text };
}

export function toldUnparsed(answer: RawAnswer): Told {
  expect(answer.headers.connection).toBe('close');
  return told(answer);
}

function comparable(headers: Record<string, string>): Record<string, string> {
  const ofConnection = ['date', 'connection', 'keep-alive'];
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !ofConnection.includes(name))
      .map(([name, text]) => [name, name === 'kask-ttl' ? hundreds(text) : text]),
  );
}

/** Rounded up, so that seconds that passed do not show. */
export function hundreds(seconds: string | undefined): string {
  return String(Math.ceil(Number(seconds) / 100) * 100);
}

export function value(bytes: string | Buffer): Told {
  const headers = {
    ...ALWAYS,
    'content-type': 'application/octet-stream',
    'content-length': String(Buffer.byteLength(bytes)),
    etag: entityTag(bytes),
    'kask-ttl': '86400',
  };
  return { status: 200, headers, body: Buffer.from(bytes).toString('latin1') };
}

function stored(bytes: string | Buffer): Told {
  return { status: 201, headers: { ...ALWAYS, 'content-length': '0', etag: entityTag(bytes) }, body: '' };
}

export function entityTag(bytes: string | Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
}

export function problem(status: keyof typeof TITLES, detail: string, instance: string): Told {
  const [name, title] = TITLES[status];
  const body = { type: TYPES + name, title, detail, instance };
  const length = Buffer.byteLength(`${JSON.stringify(body)}\n`);
  const headers = { ...ALWAYS, 'content-type': 'application/problem+json', 'content-length': String(length) };
  return { status, headers, body };
}

function notAllowed(method: string, instance: string, allow: string): Told {
  const refused = problem(405, `${method} is not allowed; ${allow} are`, instance);
  return { ...refused, headers: { ...refused.headers, allow } };
}
