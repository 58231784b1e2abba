import type { IncomingHttpHeaders } from 'node:http';
import { Problem } from '../../problems/problem.js';
import type { Namespace } from '../namespaces/namespaces.js';
import type { Condition } from '../storage/session-store.js';
import { entityTagOf } from './entity-tag.js';

interface EntityTag {
  isWeak: boolean;
  /** With its quotes. */
  opaque: string;
}

/** One of a list of entity tags (RFC 9110 section 8.8.3) up to the next; empty ones are none (section 5.6.1). */
const MEMBER = /[ \t]*(?:(W\/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)/y;

export const UNMET = new Problem('precondition_failed');
const BOTH = new Problem('bad_request', 'If-Match and If-None-Match cannot both be of one write');
const NONE_OF_SOME = new Problem('bad_request', 'The only If-None-Match of a write is *');
const NONE_MATCHES = new Problem('bad_request', 'If-None-Match is of GET, HEAD, PUT and POST');

/** Whether a reader has the value that he asks for. In the order of RFC 9110 section 13.2.2; throws the 412. */
export function isNotModified(headers: IncomingHttpHeaders, tag: string): boolean {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match !== undefined && !includes(parse('If-Match', match), tag, false)) throw UNMET;
  return noneMatch !== undefined && includes(parse('If-None-Match', noneMatch), tag, true);
}

/**
 * What a write depends on. Where every write of a namespace has to be conditional, one that asks for nothing depends on
 * `any`, and elsewhere none may be: nothing.
 *
 * @param creates whether the write is one that can make a session
 */
export function conditionOf(
  headers: IncomingHttpHeaders,
  { name, isAtomic }: Namespace,
  creates = false,
): Condition | undefined {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return isAtomic ? 'any' : undefined;
  if (!isAtomic) throw new Problem('not_atomic', `The namespace ${name} is not declared atomic`);
  if (match !== undefined && noneMatch !== undefined) throw BOTH;
  return match === undefined ? absence(noneMatch as string, creates) : presence(match);
}

function absence(noneMatch: string, creates: boolean): Condition {
  if (!creates) throw NONE_MATCHES;
  if (parse('If-None-Match', noneMatch) !== '*') throw NONE_OF_SOME;
  return 'absent';
}

function presence(match: string): Condition {
  const tags = parse('If-Match', match);
  return tags === '*' ? 'present' : (value) => includes(tags, entityTagOf(value), false);
}

/** @param weakly how they are compared (RFC 9110 section 8.8.3.2) */
function includes(tags: '*' | EntityTag[], tag: string, weakly: boolean): boolean {
  return tags === '*' || tags.some(({ isWeak, opaque }) => opaque === tag && (weakly || !isWeak));
}

function parse(name: string, text: string): '*' | EntityTag[] {
  if (text === '*') return '*';
  const tags: EntityTag[] = [];
  MEMBER.lastIndex = 0;
  while (MEMBER.lastIndex < text.length) {
    const [, weak, opaque] = MEMBER.exec(text) ?? malformed(name);
    if (opaque !== undefined) tags.push({ isWeak: weak !== undefined, opaque });
  }
  return tags.length > 0 ? tags : malformed(name);
}

function malformed(name: string): never {
  throw new Problem('bad_request', `${name} is neither * nor a list of entity tags, each in double quotes`);
}
