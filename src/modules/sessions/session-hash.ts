import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { Settings } from '../../config/settings.js';
import { FileWatch } from '../../files/file-watch.js';
import { type LogKey, readLogKey } from './log-key.js';

/** The keyed hash by which lines of the log name a session; the secret is taken up anew when its file changes. */
@Injectable()
export class SessionHash implements OnApplicationShutdown {
  private key: LogKey | undefined;
  private readonly watch: FileWatch | undefined;

  constructor(
    { log_key_file: file }: Settings,
    private readonly logger: PinoLogger,
  ) {
    if (!file) return;
    this.key = readLogKey(file).key;
    this.watch = new FileWatch([file], () => this.takeUp(file));
  }

  /** Of the secret, if there is one. */
  get id(): string | undefined {
    return this.key?.id;
  }

  /** Nothing for a request that names no session, and where there is no secret. */
  of(sessionKey: string): string | undefined {
    return sessionKey === '' ? undefined : this.key?.hash(sessionKey);
  }

  onApplicationShutdown(): void {
    this.watch?.close();
  }

  private takeUp(file: string): void {
    const { key, faults } = readLogKey(file);
    if (key) this.logger.info({ msg: 'log key taken up', id: key.id });
    else this.logger.error({ msg: 'the new log key cannot be used: the old one stays', faults });
    this.key = key ?? this.key;
  }
}
