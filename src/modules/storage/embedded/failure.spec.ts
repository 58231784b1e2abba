import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { causeOf, describeFailure, isBeyondUse } from './failure.js';

describe('a failure', () => {
  afterEach(() => jest.restoreAllMocks());

  it('of a commit is what lmdb hands over beside the error', async () => {
    const cause = new Error('Input/output error');
    const rejected = Promise.reject(cause);
    await expect(causeOf(Object.assign(new Error('Commit failed'), { commitError: rejected }))).resolves.toBe(
      cause,
    );
    await expect(causeOf(cause)).resolves.toBe(cause);
  });

  it.each([
    ['No space left on device', { code: 28 }],
    ['ENOSPC: no space left on device', { code: 'ENOSPC', errno: -28 }],
    ['Disk quota exceeded', { code: 122 }],
  ])('for lack of room is told as such: %s', (message, codes) => {
    const error = Object.assign(new Error(message), codes);
    expect(describeFailure(error, tmpdir())).toBe(`the disk is full (${message})`);
  });

  it('of a write is lack of room only if there is none', () => {
    const error = Object.assign(new Error('Input/output error'), { code: 5 });
    const statfs = jest.spyOn(fs, 'statfsSync');
    statfs.mockReturnValue({ bavail: 0, bsize: 4096 } as never);
    expect(describeFailure(error, '/')).toBe('the disk is full (Input/output error)');
    statfs.mockReturnValue({ bavail: 1_000_000, bsize: 4096 } as never);
    expect(describeFailure(error, '/')).toBe('Input/output error');
  });

  it('leaves the file beyond use when lmdb says that it panics', () => {
    expect(isBeyondUse(new Error('MDB_PANIC: Update of meta page failed'))).toBe(true);
    expect(isBeyondUse(new Error('Input/output error'))).toBe(false);
  });
});
