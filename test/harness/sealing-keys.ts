import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';

/** Files of keys that are told by names alone: of a name the secret is always the same. */
export class SealingKeyFiles {
  private readonly secrets = new Map<string, string>();

  /** Lines without their secrets, such as `value a`; the file is replaced as Kubernetes does it, at once. */
  write(file: string, lines: readonly string[]): void {
    const text = lines.map((line) => `${line}: ${this.secretOf(line.replace('next-', ''))}\n`).join('');
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  private secretOf(name: string): string {
    const secret = this.secrets.get(name) ?? randomBytes(32).toString('base64');
    this.secrets.set(name, secret);
    return secret;
  }
}
