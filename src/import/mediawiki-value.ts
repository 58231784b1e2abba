import { createHmac } from 'node:crypto';
import { jsonOfPhp } from './php-serialization.js';

/** How RESTBagOStuff of MediaWiki writes values: its `serialization_type`. */
export type SerializationType = 'PHP' | 'JSON';

/**
 * What RedisBagOStuff stored, as RESTBagOStuff would have: `TYPE.HMAC.VALUE`. `undefined` for what RedisBagOStuff never
 * stores, or JSON cannot hold.
 * @param hmacKey `hmac_key` of RESTBagOStuff
 */
export function mediawikiValue(stored: Buffer, type: SerializationType, hmacKey: string): Buffer | undefined {
  const serialized = serializedOf(stored);
  const json = type === 'JSON' ? jsonOfPhp(serialized) : undefined;
  const value = type === 'JSON' ? json && Buffer.from(json) : looksSerialized(serialized) && serialized;
  if (!value) return undefined;
  const hmac = hmacKey === '' ? '' : createHmac('sha256', hmacKey).update(value).digest('base64');
  return Buffer.concat([Buffer.from(`${type}.${hmac}.`), value]);
}

/** It keeps whole numbers as digits, and all else as PHP serializes it. */
function serializedOf(stored: Buffer): Buffer {
  const head = stored.toString('latin1', 0, 21);
  return /^(0|-?[1-9]\d{0,18})$/.test(head) ? Buffer.from(`i:${head};`) : stored;
}

function looksSerialized(bytes: Buffer): boolean {
  return /^([abdisCEO]:|N;)/.test(bytes.toString('latin1', 0, 2));
}
