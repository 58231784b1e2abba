import { Injectable } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { Problem } from '../../problems/problem.js';
import { type Namespace, Namespaces } from '../namespaces/namespaces.js';
import { type Condition, SessionStore } from '../storage/session-store.js';
import { Requires } from '../access/access.guard.js';
import { entityTagOf } from './entity-tag.js';
import { conditionOf, isNotModified, UNMET } from './preconditions.js';
import type { SessionExchange } from './session-exchange.js';
import { ValueReader } from './session-value.js';
import { TtlHeader } from './ttl-header.js';
import { TOO_MANY_VALUES, ValuesUnderway } from './values-underway.js';

const NOT_FOUND = new Problem('not_found');
const EMPTY_BODY = new Problem('bad_request', 'The request body is empty');
const BODY_OF_TOUCH = new Problem('unsupported_media_type', 'A PATCH renews the expiry, and has no body');

/** What a write asks for beside its value. */
interface Terms {
  ttlSeconds: number;
  condition: Condition | undefined;
}

/** What a client can do with a session. */
@Injectable()
export class SessionsController {
  private readonly ttl: TtlHeader;

  constructor(
    private readonly store: SessionStore,
    private readonly values: ValueReader,
    private readonly answers: ValuesUnderway,
    private readonly namespaces: Namespaces,
    settings: Settings,
  ) {
    this.ttl = new TtlHeader(settings);
  }

  @Requires('read')
  async read(exchange: SessionExchange): Promise<void> {
    const { key, trace } = exchange;
    const session = await this.namespaces.of(key).countGet(this.store.get(key, trace));
    if (!session) throw NOT_FOUND;
    const tag = entityTagOf(session.value);
    if (isNotModified(exchange.request.headers, tag)) return exchange.answerAbout(304, tag, session);
    if (!this.answers.hold(exchange, session.value.length)) throw TOO_MANY_VALUES;
    exchange.answerValue(tag, session);
  }

  @Requires('write')
  async write(exchange: SessionExchange): Promise<void> {
    const { key, trace } = exchange;
    const namespace = this.namespaces.of(key);
    const { ttlSeconds, condition } = this.termsOf(exchange, namespace);
    const value = await this.values.read(exchange, namespace);
    if (value.length === 0) throw EMPTY_BODY;
    namespace.spend(value.length);
    const tag = entityTagOf(value);
    const pending = condition
      ? this.store.setIf(key, condition, value, ttlSeconds, trace)
      : this.store.set(key, value, ttlSeconds, undefined, trace);
    if ((await namespace.countSet(key, value, tag, pending)) === false) throw UNMET;
    exchange.answerStored(tag);
  }

  /** The method is PATCH: docs/adr/0013. */
  @Requires('write')
  async touch(exchange: SessionExchange): Promise<void> {
    const { key, trace } = exchange;
    const namespace = this.namespaces.of(key);
    if (await this.values.skip(exchange)) throw BODY_OF_TOUCH;
    const { headers } = exchange.request;
    const ttlSeconds = this.ttl.secondsOf(headers);
    const condition = conditionOf(headers, namespace);
    namespace.spend(0);
    const pending = condition
      ? this.store.touchIf(key, condition, ttlSeconds, trace)
      : this.store.touch(key, ttlSeconds, trace);
    const session = await namespace.countTouch(pending);
    if (session === undefined) throw NOT_FOUND;
    if (session === false) throw UNMET;
    exchange.answerAbout(204, entityTagOf(session.value), session);
  }

  @Requires('delete')
  async delete(exchange: SessionExchange): Promise<void> {
    const { key, trace } = exchange;
    const namespace = this.namespaces.of(key);
    await this.values.skip(exchange);
    const condition = conditionOf(exchange.request.headers, namespace);
    const pending = condition
      ? this.store.deleteIf(key, condition, trace)
      : this.store.delete(key, undefined, trace);
    if ((await namespace.countDelete(key, pending)) === false) throw UNMET;
    exchange.answerDeleted();
  }

  /** Before the body is read: that of who asks for what cannot be is not waited for. */
  private termsOf(exchange: SessionExchange, namespace: Namespace): Terms {
    const { headers } = exchange.request;
    try {
      return { ttlSeconds: this.ttl.secondsOf(headers), condition: conditionOf(headers, namespace, true) };
    } catch (error) {
      this.values.decline(exchange);
      throw error;
    }
  }
}
