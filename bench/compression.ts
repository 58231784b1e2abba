import { randomBytes } from 'node:crypto';
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  inflateRawSync,
} from 'node:zlib';
import * as zlib from 'node:zlib';
import { table } from './report/table.js';
import { median } from './statistics.js';

// What compressing values on their way to Cassandra would cost this process, and save: the figures of docs/adr/0015. Node
// has no LZ4, which would be a native addon; its zstd came with Node 22.15.

type Transform = (value: Buffer) => Buffer;

const BATCHES = 25;
const BATCH = 200;
const SIZES = [300, 1_000, 2_000, 4_000];
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const ZSTD = zlib as unknown as { zstdCompressSync?: Transform; zstdDecompressSync: Transform };

const METHODS: [name: string, compress: Transform, decompress: Transform][] = [
  ['deflate, level 1', (value) => deflateRawSync(value, { level: 1 }), inflateRawSync],
  ['deflate, level 6', (value) => deflateRawSync(value, { level: 6 }), inflateRawSync],
  ['brotli, quality 1', (value) => brotliCompressSync(value, BROTLI), brotliDecompressSync],
];
if (ZSTD.zstdCompressSync) METHODS.push(['zstd, level 3', ZSTD.zstdCompressSync, ZSTD.zstdDecompressSync]);

const rows = SIZES.flatMap((size) => {
  const values = Array.from({ length: BATCH }, () => session(size));
  return METHODS.map(([name, compress, decompress]) => {
    const compressed = values.map(compress);
    const bytes = compressed.reduce((sum, each) => sum + each.length, 0);
    return [
      `${size} bytes, ${name}`,
      `${Math.round((100 * bytes) / (BATCH * size))} %`,
      microsOf(() => values.forEach(compress)),
      microsOf(() => compressed.forEach(decompress)),
    ];
  });
});
console.log(`Node ${process.version}, one thread\n`);
console.log(table(['Value', 'of its size', 'µs to compress', 'µs to decompress'], rows));

/** Of one value. */
function microsOf(batch: () => void): string {
  const micros = Array.from({ length: BATCHES }, () => {
    const began = performance.now();
    batch();
    return ((performance.now() - began) * 1_000) / BATCH;
  });
  return median(micros).toFixed(1);
}

/** As MediaWiki stores one: names that all have, and tokens that nobody else has. */
function session(bytes: number): Buffer {
  const data: Record<string, unknown> = { wsUserID: 1234567, wsUserName: 'Alice', wsToken: hex(16) };
  const metadata = {
    provider: 'CentralAuthSessionProvider',
    userId: 1234567,
    remember: true,
    expires: 1795392102,
  };
  const text = (): string => `JSON.${hex(32)}.${JSON.stringify({ data, metadata })}`;
  for (let i = 0; text().length < bytes; i++)
    data[`wsEditToken:Talk:Page ${i}`] = i % 2 ? hex(20) : { title: `Talk:Page ${i}`, isWatched: false };
  return Buffer.from(text().slice(0, bytes));
}

function hex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
