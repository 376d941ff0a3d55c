/* Builds the addon with CMake, into build/leat.node. npm runs it as the package's install script.
 *
 * A package that was packed with a prebuilt addon for this system needs no build. Node's headers
 * are those beside the running Node, or in the folder that LEAT_NODEDIR or npm's --nodedir names;
 * nothing is downloaded. CMAKE_BUILD_PARALLEL_LEVEL and CMAKE_ARGS are passed on. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const prebuilt = join(here, 'prebuilt', `${process.platform}-${process.arch}`, 'leat.node');

function fail(why) {
  console.error(`leat: ${why}`);
  process.exit(1);
}

/* The major version that the headers in a folder are of; 0 without headers. */
function majorOf(nodedir) {
  const path = join(nodedir, 'include', 'node', 'node_version.h');
  if (!existsSync(path)) return 0;
  return Number(/NODE_MAJOR_VERSION\s+(\d+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? 0);
}

function findHeaders() {
  const major = Number(process.versions.node.split('.')[0]);
  const beside = dirname(dirname(realpathSync(process.execPath)));
  const places = [process.env.LEAT_NODEDIR, beside, process.env.npm_config_nodedir];
  const found = places.find((place) => place && majorOf(place) === major);
  if (!found) {
    fail(`no headers of Node ${major} in ${places.filter(Boolean).join(', ')}; ` +
      'name the folder that has include/node with LEAT_NODEDIR');
  }
  return found;
}

function run(...command) {
  const ran = spawnSync(command[0], command.slice(1), { cwd: here, stdio: 'inherit' });
  if (ran.error) fail(`${command[0]}: ${ran.error.message}`);
  if (ran.status !== 0) fail(`${command.join(' ')} ended with ${ran.status ?? ran.signal}`);
}

function build() {
  const more = (process.env.CMAKE_ARGS ?? '').split(' ').filter(Boolean);
  run('cmake', '-S', '.', '-B', 'build', '-DCMAKE_BUILD_TYPE=Release',
    `-DLEAT_NODEDIR=${findHeaders()}`, ...more);
  run('cmake', '--build', 'build', '--target', 'leat_node');
}

if (!existsSync(prebuilt)) build();
