import { isDeepStrictEqual } from 'node:util';
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { PinoLogger } from 'nestjs-pino';
import { isAuthenticationRequired } from '../../config/authentication.js';
import { Settings } from '../../config/settings.js';
import { SettingsSource } from '../../config/settings-source.js';
import { FileWatch } from '../../files/file-watch.js';
import { HttpConnections } from '../../http/http-connections.js';
import { Callers } from './callers.js';
import { Clients } from './clients.js';

/** What could not be used may be another file's fault, which is mended without a change to this one; in ms. */
const TRY_AGAIN_MS = 5_000;

/** Takes up `authorization` when the file of the settings changes: who lost a right need not wait for a restart. */
@Injectable()
export class AuthorizationReload implements OnApplicationBootstrap, OnApplicationShutdown {
  private watch: FileWatch | undefined;
  private again: NodeJS.Timeout | undefined;
  /** Why the settings could not be used, as it was logged. */
  private told: string | undefined;
  private inForce: Settings['authorization'];

  constructor(
    private readonly source: SettingsSource,
    private readonly callers: Callers,
    private readonly connections: HttpConnections,
    private readonly settings: Settings,
    private readonly logger: PinoLogger,
  ) {
    this.inForce = settings.authorization;
  }

  onApplicationBootstrap(): void {
    if (isAuthenticationRequired(this.settings))
      this.watch = new FileWatch([this.source.file], () => this.read());
  }

  onApplicationShutdown(): void {
    this.watch?.close();
    clearTimeout(this.again);
  }

  private read(): void {
    clearTimeout(this.again);
    try {
      this.takeUp(this.source.load());
      this.told = undefined;
    } catch (error) {
      this.tellWhy(error instanceof Error ? error.message : typeof error);
      this.again = setTimeout(() => this.read(), TRY_AGAIN_MS).unref();
    }
  }

  private tellWhy(reason: string): void {
    if (reason === this.told) return;
    this.told = reason;
    this.logger.error(
      { reason },
      'the settings have changed and cannot be used: authorization stays as it was',
    );
  }

  private takeUp({ settings, warnings }: ReturnType<SettingsSource['load']>): void {
    const { authorization } = settings;
    if (!isAuthenticationRequired(settings)) throw new Error('authentication is changed by a restart alone');
    if (isDeepStrictEqual(authorization, this.inForce)) return;
    this.inForce = authorization;
    this.callers.takeUp(new Clients(authorization));
    this.connections.endVerified();
    for (const warning of warnings) this.logger.warn(warning);
    this.logger.info('authorization has changed and is in force');
  }
}
