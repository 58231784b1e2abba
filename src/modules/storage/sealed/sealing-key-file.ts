import type { PinoLogger } from 'nestjs-pino';
import { readText, Unreadable } from '../../../config/text-file.js';
import { FileWatch } from '../../../files/file-watch.js';
import { parseSealingKeys, type SealingKeys } from './sealing-keys.js';

/** The keys that the file holds, taken up anew when it changes; what cannot be used leaves the old ones in force. */
export class SealingKeyFile {
  keys: SealingKeys;
  private readonly watch: FileWatch;

  constructor(
    private readonly file: string,
    private readonly logger: PinoLogger,
    private readonly taken: (keys: SealingKeys) => void,
  ) {
    const { keys, faults } = readSealingKeys(file);
    if (!keys) throw new Error(`encryption.key_file: ${faults.join('; ')}`);
    this.keys = keys;
    taken(keys);
    this.watch = new FileWatch([file], () => this.takeUp());
  }

  close(): void {
    this.watch.close();
  }

  private takeUp(): void {
    const { keys, faults } = readSealingKeys(this.file);
    if (!keys) {
      this.logger.error({ msg: 'the new encryption keys cannot be used: the old ones stay', faults });
      return;
    }
    this.keys = keys;
    this.taken(keys);
    this.logger.info({
      msg: 'encryption keys taken up',
      values: namesOf(keys.values),
      rows: namesOf(keys.rows),
    });
  }
}

/** No keys where there are faults. */
export function readSealingKeys(file: string): { keys?: SealingKeys; faults: string[] } {
  const text = readText(file);
  if (text instanceof Unreadable) return { faults: [`the file ${text.why}`] };
  const { keys, faults } = parseSealingKeys(text);
  return faults.length === 0 ? { keys, faults } : { faults };
}

function namesOf(keys: readonly { name: string }[]): string {
  return keys.map(({ name }) => name).join(', ');
}
