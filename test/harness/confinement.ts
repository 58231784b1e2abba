import { realpathSync } from 'node:fs';
import path from 'node:path';
import { MissingPrerequisite } from './prerequisites.js';
import { REPOSITORY } from './repository.js';

/** What a service may touch under Node's permission model, besides its own program; of a directory all that is in it. */
export interface Permissions {
  read: string[];
  write?: string[];
  /** The embedded store is native code. */
  addons?: boolean;
}

/** A command to start a service under, so that Node refuses it everything else. */
export function permitting({ read, write = [], addons = false }: Permissions): string[] {
  const known = process.allowedNodeEnvironmentFlags;
  return [
    process.execPath,
    known.has('--permission') ? '--permission' : '--experimental-permission',
    // From Node.js 25 on the network needs a permission as well.
    ...(known.has('--allow-net') ? ['--allow-net'] : []),
    ...(addons ? ['--allow-addons'] : []),
    ...[...program(), ...read, ...write].map((place) => `--allow-fs-read=${place}`),
    ...write.map((place) => `--allow-fs-write=${place}`),
  ];
}

/** What the service is made of. */
function program(): string[] {
  const at = (name: string): string => path.join(REPOSITORY, name);
  const modules = at('node_modules');
  const linked = realpathSync(modules);
  // Node 20 aborts where it is told of one place twice.
  const link = linked === modules ? [] : [modules];
  return [at('dist/'), at('openapi/'), at('package.json'), ...link, `${linked}/`];
}

/** Of nobody: no file on this machine is this user's. */
const USER = '65532';

/** Gets the repository, the directory, the user, and the command, of which it runs the copy below /srv. */
const PREPARE = `
set -e
mount --make-rprivate /
mount --bind "$1" /srv
if [ -n "$2" ]; then chown "$3:$3" "$2"; mount --bind "$2" "$2"; fi
while read -r _ _ _ _ place _; do
  [ "$place" = "$2" ] || mount -o remount,bind,ro "$place"
done </proc/self/mountinfo
user=$3
shift 4
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
  /srv/dist/main.js "$@"
`;

/**
 * A command to start a service under, which has it as in a container of its own: another user than root, without
 * capabilities, and every file system read-only but for one directory, if any. The repository is at /srv, whoever may
 * read it where it is.
 */
export function asInContainer(writable?: string): string[] {
  if (process.getuid?.() !== 0)
    throw new MissingPrerequisite(
      'Running the service as another user and on read-only file systems needs root',
    );
  return ['unshare', '--mount', 'sh', '-c', PREPARE, 'sh', REPOSITORY, writable ?? '', USER];
}
