import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LogKey, readLogKey } from './log-key.js';

const SECRET = Buffer.alloc(32, 7);

describe('the hash of a session', () => {
  it('is 16 digits of an HMAC, after four that tell the secret', () => {
    const hmac = createHmac('sha256', SECRET).update('enwiki:MWSession:x').digest('hex');
    const { id } = new LogKey(SECRET);
    expect(id).toMatch(/^[0-9a-f]{4}$/);
    expect(new LogKey(SECRET).hash('enwiki:MWSession:x')).toBe(`${id}-${hmac.slice(0, 16)}`);
  });

  it('is another one with another secret', () => {
    const [one, other] = [new LogKey(SECRET), new LogKey(Buffer.alloc(32, 8))];
    expect(one.id).not.toBe(other.id);
    expect(one.hash('x').slice(5)).not.toBe(other.hash('x').slice(5));
  });
});

describe('the file of the secret', () => {
  let directory: string;
  beforeAll(() => (directory = mkdtempSync(path.join(tmpdir(), 'kask-log-key-'))));
  afterAll(() => rmSync(directory, { recursive: true }));

  const faultsOf = (content: string | Buffer): string[] => {
    const file = path.join(directory, 'secret');
    writeFileSync(file, content);
    return readLogKey(file).faults;
  };

  it.each([
    ['32 bytes that are no text', Buffer.alloc(32, 0xff), []],
    ['32 bytes and a newline', `${'x'.repeat(32)}\n`, []],
    ['31 bytes and a newline', `${'x'.repeat(31)}\n`, ['there are less than 32 bytes']],
    ['nothing', '', ['there are less than 32 bytes']],
  ])('may have, or not: %s', (_, content, faults) => expect(faultsOf(content)).toEqual(faults));

  it('has to be there', () => {
    expect(readLogKey(path.join(directory, 'absent')).faults).toEqual(['the file cannot be read (ENOENT)']);
  });
});
