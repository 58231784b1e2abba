import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { variableOf } from './environment.js';
import { allSettings } from './setting.js';
import {
  AuthenticationSettings,
  CassandraTlsSettings,
  EncryptionSettings,
  LogSettings,
  Settings,
  SyslogSettings,
  TlsSettings,
  TracingSettings,
} from './settings.js';

const DOCUMENT = join(process.cwd(), 'docs/configuration.md');

/** As in the document: `| key | variable | default | allowed | meaning |`. */
function documentedRows(): string[][] {
  const lines = readFileSync(DOCUMENT, 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function expectedRows(): string[][] {
  return allSettings(Settings)
    .filter(([, { section }]) => !section)
    .map(([path, { allowed }]) => [`\`${path}\``, shownVariable(path), shownDefault(path), allowed]);
}

/** What the file has under names of its own, no variable can hold. */
function shownVariable(path: string): string {
  return /^(authorization\.clients|namespaces)/.test(path) ? 'none' : `\`${variableOf(path)}\``;
}

function shownDefault(path: string): string {
  const standard = path
    .split('.')
    .reduce<unknown>(
      (section, key) => (section as Record<string, unknown> | undefined)?.[key],
      new Settings(),
    );
  if (standard === undefined) return 'none';
  return Array.isArray(standard)
    ? `\`[${standard.join(', ')}]\``
    : `\`${standard as string | number | boolean}\``;
}

const byKey = (a: string[], b: string[]) => (a[0] ?? '').localeCompare(b[0] ?? '');

describe('docs/configuration.md', () => {
  it('has every setting once, with its variable, default and allowed values as they are in force', () => {
    const documented = documentedRows().map((row) => row.slice(0, 4));
    expect(documented.sort(byKey)).toEqual(expectedRows().sort(byKey));
  });

  it('says what each one means', () => {
    expect(documentedRows().filter((row) => row.length !== 5 || !row[4])).toEqual([]);
  });
});

describe('the names of settings', () => {
  it('are lower case with underscores, so that variables and paths match one to one', () => {
    const variables = allSettings(Settings).map(([path]) => variableOf(path));
    expect(new Set(variables).size).toBe(variables.length);
    for (const [path] of allSettings(Settings)) expect(path).toMatch(/^[a-z_]+(\.([a-z_]+|\*))*$/);
  });

  it('hold no value in a section that is there only when it is written', () => {
    for (const section of [
      TlsSettings,
      EncryptionSettings,
      AuthenticationSettings,
      CassandraTlsSettings,
      LogSettings,
      SyslogSettings,
      TracingSettings,
    ]) {
      expect(Object.keys(new section())).toEqual([]);
    }
  });
});
