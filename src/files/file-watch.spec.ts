import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileWatch } from './file-watch.js';

describe('files that are watched', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'kask-watch-'));
  const at = (name: string) => path.join(directory, name);
  afterAll(() => rmSync(directory, { recursive: true }));

  it('are told once, also when the link to their directory is swapped as Kubernetes does it', async () => {
    for (const name of ['cert', 'key']) writeFileSync(at(name), 'first');
    const changed = jest.fn();
    const watch = new FileWatch([at('cert'), at('key')], changed);
    await sleep(100);
    symlinkSync('elsewhere', at('link'));
    writeFileSync(at('elsewhere'), 'second');
    renameSync(at('link'), at('cert'));
    writeFileSync(at('key'), 'second');
    await sleep(3_500);
    watch.close();
    expect(changed).toHaveBeenCalledTimes(1);
  }, 10_000);
});
