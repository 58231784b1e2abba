import { Injectable } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { Problem } from '../../problems/problem.js';
import { Namespaces } from '../namespaces/namespaces.js';
import { SessionStore } from '../storage/session-store.js';
import { Requires } from '../access/access.guard.js';
import type { SessionExchange } from './session-exchange.js';
import { ValueReader } from './session-value.js';
import { TOO_MANY_VALUES, ValuesUnderway } from './values-underway.js';

const NOT_FOUND = new Problem('not_found');
const EMPTY_BODY = new Problem('bad_request', 'The request body is empty');

/** What a client can do with a session. */
@Injectable()
export class SessionsController {
  private readonly ttlSeconds: number;

  constructor(
    private readonly store: SessionStore,
    private readonly values: ValueReader,
    private readonly answers: ValuesUnderway,
    private readonly namespaces: Namespaces,
    settings: Settings,
  ) {
    this.ttlSeconds = settings.default_ttl;
  }

  @Requires('read')
  async read(exchange: SessionExchange): Promise<void> {
    const { key, trace } = exchange;
    const session = await this.namespaces.of(key).countGet(this.store.get(key, trace));
    if (!session) throw NOT_FOUND;
    const { value } = session;
    if (!this.answers.hold(exchange, value.length)) throw TOO_MANY_VALUES;
    exchange.answerValue(value);
  }

  @Requires('write')
  async write(exchange: SessionExchange): Promise<void> {
    const { key } = exchange;
    const namespace = this.namespaces.of(key);
    const value = await this.values.read(exchange, namespace);
    if (value.length === 0) throw EMPTY_BODY;
    namespace.spend(value.length);
    const pending = this.store.set(key, value, this.ttlSeconds, undefined, exchange.trace);
    await namespace.countSet(key, value, pending);
    exchange.answerEmpty(201);
  }

  @Requires('delete')
  async delete(exchange: SessionExchange): Promise<void> {
    await this.values.skip(exchange);
    const { key, trace } = exchange;
    await this.namespaces.of(key).countDelete(key, this.store.delete(key, undefined, trace));
    exchange.answerEmpty(204);
  }
}
