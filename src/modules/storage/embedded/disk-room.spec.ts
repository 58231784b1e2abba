import fs, { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiskRoom } from './disk-room.js';
import { type Environment, openEnvironment } from './environment.js';

const MEBIBYTE = 1024 * 1024;

describe('room on the disk', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-room-'));
  let environment: Environment;
  let room: DiskRoom;
  const written = () => Promise.resolve('written');

  beforeAll(() => {
    environment = openEnvironment(directory);
    room = new DiskRoom(environment, directory);
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await environment.root.close();
    rmSync(directory, { recursive: true });
  });

  function disk(freeMebibytes: number, mebibytes = 100_000): void {
    const found = { bsize: MEBIBYTE, bavail: freeMebibytes, blocks: mebibytes } as fs.StatsFs;
    jest.spyOn(fs, 'statfsSync').mockReturnValue(found);
  }

  it('is there on a disk with a reserve beside the value', async () => {
    disk(74);
    await expect(room.forAdding(8 * MEBIBYTE, written)).resolves.toBe('written');
  });

  it('is not there for a value that would take of the reserve, though for a smaller one', async () => {
    disk(70);
    await expect(room.forAdding(8 * MEBIBYTE, written)).rejects.toMatchObject({
      kind: 'unavailable',
      reason: 'the disk of the embedded store is full',
    });
    await expect(room.forAdding(100, written)).resolves.toBe('written');
  });

  it('has a smaller reserve on a small disk', async () => {
    disk(20, 80);
    await expect(room.forAdding(8 * MEBIBYTE, written)).resolves.toBe('written');
  });

  it('is taken by writes under way, and free again when they end', async () => {
    disk(74);
    let finish: (value: unknown) => void = () => {};
    const first = room.forAdding(8 * MEBIBYTE, () => new Promise((resolve) => (finish = resolve)));
    await expect(room.forAdding(8 * MEBIBYTE, written)).rejects.toThrow('full');
    finish(undefined);
    await first;
    await expect(room.forAdding(8 * MEBIBYTE, written)).resolves.toBe('written');
    await expect(room.forAdding(8 * MEBIBYTE, () => Promise.reject(new Error('broken')))).rejects.toThrow();
    await expect(room.forAdding(8 * MEBIBYTE, written)).resolves.toBe('written');
  });

  it('is there for clearing as long as anything is', async () => {
    disk(1);
    await expect(room.forAdding(1, written)).rejects.toThrow('full');
    await expect(room.forClearing(1, written)).resolves.toBe('written');
    disk(0);
    await expect(room.forClearing(1, written)).rejects.toThrow('full');
  });

  it('is made by what was cleared: its pages are used again', async () => {
    const session = Buffer.from('large');
    await environment.sessions.put(session, Buffer.alloc(4 * MEBIBYTE));
    disk(10);
    await expect(room.forAdding(MEBIBYTE, written)).rejects.toThrow('full');
    await environment.sessions.remove(session);
    await expect(room.forAdding(MEBIBYTE, written)).resolves.toBe('written');
    await expect(room.forAdding(3 * MEBIBYTE, written)).rejects.toThrow('full');
  });
});
