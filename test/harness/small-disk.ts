import { spawnSync } from 'node:child_process';
import { MissingPrerequisite } from './prerequisites.js';

/**
 * A command to start a service under, so that it alone sees a file system of that size at the mount point: it is in
 * memory and gone with the service.
 */
export function onSmallDisk(mountPoint: string, mebibytes: number): string[] {
  const mount = `mount -t tmpfs -o size=${mebibytes}m tmpfs "$0" && exec "$@"`;
  return [...privately('--mount'), 'sh', '-c', mount, mountPoint];
}

/** A command to start a service under, so that it is process 1, as in a container of its own. */
export function asProcessOne(): string[] {
  return [...privately('--pid'), '--fork', '--kill-child'];
}

/** In a namespace of its own; who is not root becomes it in a namespace of users. */
function privately(namespace: '--mount' | '--pid'): string[] {
  const root = process.getuid?.() === 0;
  const unshare = ['unshare', ...(root ? [] : ['--user', '--map-root-user']), namespace];
  const { error, status } = spawnSync(unshare[0] as string, [...unshare.slice(1), '--fork', 'true']);
  if (error || status !== 0)
    throw new MissingPrerequisite(
      'The tests of the embedded store need namespaces (`unshare` of util-linux): run them as root or allow user namespaces',
    );
  return unshare;
}
