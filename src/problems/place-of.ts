/** Name, code and stack frames of an error, without its message. */
export function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  const code = 'code' in error ? ` ${String(error.code)}` : '';
  return [error.name + code, ...frames].join('\n');
}
