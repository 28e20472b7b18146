// Makes the two tarballs of a release from what is built here: the main package, and the package with this platform's
// addon. Usage: node scripts/pack.mjs [folder]; the tarballs are written to the folder (default: the current one).
//
// The main package names the platform packages in optionalDependencies, so that npm installs the one that fits. They are
// added here and not in package.json, because there `npm install` in a clone would ask the registry for packages of a
// version that is not published yet, and `npm ci` would want them in the lock file.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'));

/** Packs what `fill` puts into an empty folder; returns the tarball's path. */
function packed(folder, manifest, fill) {
  const stage = mkdtempSync(join(tmpdir(), 'whisper-tune-pack-'));
  try {
    fill(stage);
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: stage,
      encoding: 'utf8',
    });
    return join(folder, JSON.parse(output)[0].filename);
  } finally {
    rmSync(stage, { recursive: true });
  }
}

function required(file, command) {
  const path = join(root, file);
  if (!existsSync(path)) throw new Error(`${file} is missing; run ${command} first`);
  return path;
}

/**
 * @param {string} folder where the tarballs go
 * @returns {string[]} the paths of the main package's tarball and of the platform's
 */
export function pack(folder) {
  const to = resolve(folder);
  const manifest = read('package.json');
  const { version } = manifest;
  const platforms = readdirSync(join(root, 'npm')).map((name) => read(`npm/${name}/package.json`));
  const here = platforms.find(({ os, cpu }) => os.includes(process.platform) && cpu.includes(process.arch));
  if (!here) throw new Error(`npm/ has no package for ${process.platform}-${process.arch}`);
  const addon = required('build/Release/whisper_tune.node', 'npm run build:native');
  required('dist/index.js', 'npm run build:ts');

  const { scripts, devDependencies, gypfile, binary, ...published } = manifest;
  const optionalDependencies = Object.fromEntries(platforms.map(({ name }) => [name, version]));
  const main = packed(to, { ...published, optionalDependencies }, (stage) => {
    for (const file of manifest.files.filter((name) => !name.startsWith('!') && existsSync(join(root, name))))
      cpSync(join(root, file), join(stage, file), { recursive: true });
  });
  const platform = packed(to, { ...here, version }, (stage) => {
    cpSync(addon, join(stage, here.main));
    cpSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
  });
  return [main, platform];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const tarball of pack(process.argv[2] ?? '.')) console.log(tarball);
}
