import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidSettings, loadSettings } from './load-settings.js';

const SECRET = Buffer.alloc(32, 5).toString('base64');
const KEYS = `value a: ${SECRET}\nrow a: ${Buffer.alloc(32, 6).toString('base64')}\n`;

let directory: string;
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'kask-keys-'))));
afterAll(() => rmSync(directory, { recursive: true }));

function written(name: string, content: string, mode = 0o600): string {
  const file = join(directory, name);
  rmSync(file, { force: true });
  writeFileSync(file, content, { mode });
  return file;
}

/** Faults, or else warnings. */
function findings(settings: object): string[] {
  const config = written(
    'config.yaml',
    JSON.stringify({ storage: 'embedded', embedded: { path: directory }, ...settings }),
  );
  try {
    return loadSettings(config, {}).warnings;
  } catch (error) {
    if (error instanceof InvalidSettings) return error.faults;
    throw error;
  }
}

describe('files of secrets', () => {
  it('are fine', () => {
    const encryption = { key_file: written('keys', KEYS) };
    expect(findings({ encryption, log_key_file: written('log', SECRET) })).toEqual([]);
  });

  it('are named with each fault, and not shown', () => {
    const [keys, log] = [written('keys', `value a: ${SECRET}x\nrow`), written('log', 'short')];
    expect(findings({ encryption: { key_file: keys }, log_key_file: log })).toEqual([
      `encryption.key_file: found "${keys}", where line 1: the secret is not the base64 of 32 bytes`,
      expect.stringContaining(`encryption.key_file: found "${keys}", where line 2 is none of`),
      `log_key_file: found "${log}", where there are less than 32 bytes`,
    ]);
  });

  it('have to be there', () => {
    const nowhere = join(directory, 'nowhere');
    expect(findings({ encryption: { key_file: nowhere }, log_key_file: nowhere })).toEqual([
      `encryption.key_file: found "${nowhere}", where the file cannot be read (ENOENT)`,
      `log_key_file: found "${nowhere}", where the file cannot be read (ENOENT)`,
    ]);
  });

  it.each([SECRET, `value a: ${SECRET}`, Buffer.alloc(32, 7).toString('hex')])(
    'are not shown where one is pasted in place of its path',
    (secret) =>
      expect(findings({ encryption: { key_file: secret }, log_key_file: secret }).join()).not.toContain(
        secret,
      ),
  );

  it('should not be for everybody', () => {
    const keys = written('keys', KEYS, 0o644);
    expect(findings({ encryption: { key_file: keys } })).toEqual([
      `encryption.key_file: every user of this machine may read "${keys}"`,
    ]);
  });
});

describe('moments', () => {
  const of = (window: object): string[] =>
    findings({ encryption: { key_file: written('keys', KEYS), ...window } });

  it.each(['2027-01-31', '2027-01-31T12:00:00Z', '2027-01-31T12:00:00.5+02:00'])('may be %s', (moment) =>
    expect(of({ read_unencrypted_until: moment })).toEqual([]),
  );

  it.each(['soon', '2027-02-31', '2027-1-1', '31.1.2027', '2027-01-31T12:00', '2027-01-31T25:00:00Z'])(
    'may not be %s',
    (moment) =>
      expect(of({ read_unencrypted_until: moment })).toEqual([
        expect.stringContaining(`encryption.read_unencrypted_until: found "${moment}"; allowed: date`),
      ]),
  );

  it('need a file of keys', () => {
    expect(
      findings({ encryption: { seal_from: '2027-01-31', read_unencrypted_until: '2027-02-28' } }),
    ).toEqual([expect.stringContaining('encryption.key_file: found nothing')]);
  });

  it.each([{}, { read_unencrypted_until: '2027-01-30' }])(
    'leave nothing unread that is written: %j',
    (until) =>
      expect(of({ seal_from: '2027-01-31', ...until })).toEqual([
        expect.stringContaining('allowed: nothing later than `encryption.read_unencrypted_until`'),
      ]),
  );

  it('that are yet to come are warned about where a namespace is atomic', () => {
    const encryption = { key_file: written('keys', KEYS), read_unencrypted_until: '9999-12-31' };
    const namespaces = { carts: { keys: ['cart:*'], atomic: true }, locks: { keys: ['*:lock'] } };
    expect(findings({ encryption, namespaces })).toEqual([
      'namespaces.carts.atomic: writes to it are refused until encryption.read_unencrypted_until, 9999-12-31',
    ]);
    const past = { ...encryption, read_unencrypted_until: '2000-01-01' };
    expect(findings({ encryption: past, namespaces })).toEqual([]);
  });
});
