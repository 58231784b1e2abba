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
  beforeAll(() => {
    environment = openEnvironment(directory);
    room = new DiskRoom(environment, directory);
  });
  beforeEach(() => room.startGroup());
  afterEach(() => jest.restoreAllMocks());
  afterAll(async () => {
    await environment.root.close();
    rmSync(directory, { recursive: true });
  });

  function disk(freeMebibytes: number, mebibytes = 100_000): void {
    const found = { bsize: MEBIBYTE, bavail: freeMebibytes, blocks: mebibytes } as fs.StatsFs;
    jest.spyOn(fs, 'statfsSync').mockReturnValue(found);
  }

  it('is there on a disk with a reserve beside the value', () => {
    disk(74);
    expect(() => room.takeForAdding(8 * MEBIBYTE)).not.toThrow();
  });

  it('is not there for a value that would take of the reserve, though for a smaller one', () => {
    disk(70);
    const full = { kind: 'unavailable', reason: 'the disk of the embedded store is full' };
    expect(() => room.takeForAdding(8 * MEBIBYTE)).toThrow(expect.objectContaining(full));
    expect(() => room.takeForAdding(100)).not.toThrow();
  });

  it('has a smaller reserve on a small disk', () => {
    disk(20, 80);
    expect(() => room.takeForAdding(8 * MEBIBYTE)).not.toThrow();
  });

  it('is taken by the writes of a group, and looked at anew for the next', () => {
    disk(74);
    room.takeForAdding(8 * MEBIBYTE);
    expect(room.takenByGroup()).toBeGreaterThan(8 * MEBIBYTE);
    expect(() => room.takeForAdding(8 * MEBIBYTE)).toThrow('full');
    room.startGroup();
    expect(room.takenByGroup()).toBe(0);
    expect(() => room.takeForAdding(8 * MEBIBYTE)).not.toThrow();
    disk(66);
    room.startGroup();
    expect(() => room.takeForAdding(8 * MEBIBYTE)).toThrow('full');
  });

  it('is there for clearing as long as anything is', () => {
    disk(1);
    expect(() => room.takeForAdding(1)).toThrow('full');
    expect(() => room.takeForClearing(1)).not.toThrow();
    disk(0);
    room.startGroup();
    expect(() => room.takeForClearing(1)).toThrow('full');
  });

  it('is made by what was cleared: its pages are used again', async () => {
    const session = Buffer.from('large');
    await environment.sessions.put(session, Buffer.alloc(4 * MEBIBYTE));
    disk(10);
    expect(() => room.takeForAdding(MEBIBYTE)).toThrow('full');
    await environment.sessions.remove(session);
    expect(() => room.takeForAdding(MEBIBYTE)).not.toThrow();
    expect(() => room.takeForAdding(3 * MEBIBYTE)).toThrow('full');
  });
});
