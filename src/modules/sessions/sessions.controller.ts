import { Body, Controller, Delete, Get, HttpCode, Post, Put } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { Problem } from '../../problems/problem.js';
import { SessionStore } from '../storage/session-store.js';
import { SessionKey } from './session-request.js';

/** What a client can do with a session. Mounted at `base_uri`; the path of a request is a key, checked before. */
@Controller()
export class SessionsController {
  private readonly ttlSeconds: number;

  constructor(
    private readonly store: SessionStore,
    settings: Settings,
  ) {
    this.ttlSeconds = settings.default_ttl;
  }

  /** Answers HEAD as well, by Fastify. */
  @Get()
  async read(@SessionKey() key: string): Promise<Buffer> {
    const value = await this.store.get(key);
    if (value === undefined) throw new Problem('not_found');
    return value;
  }

  @Post()
  @HttpCode(201)
  async write(@SessionKey() key: string, @Body() value: Buffer | undefined): Promise<void> {
    if (!value?.length) throw new Problem('bad_request', 'The request body is empty');
    await this.store.set(key, value, this.ttlSeconds);
  }

  /** MediaWiki's client writes with PUT unless told otherwise. */
  @Put()
  @HttpCode(201)
  replace(@SessionKey() key: string, @Body() value: Buffer | undefined): Promise<void> {
    return this.write(key, value);
  }

  @Delete()
  @HttpCode(204)
  async delete(@SessionKey() key: string): Promise<void> {
    await this.store.delete(key);
  }
}
