// SPDX-License-Identifier: GPL-2.0-only
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import { parseHex } from './script/language.ts';

/** One PCI function of a machine, before vfio has it. */
export interface MachineDevice {
  /** 'dddd:bb:dd.f' */
  bdf: string;
  /** sysfs path; the last component but one is the bridge above, or the root bus. */
  path: string;
  iommuGroup: number;
  /** Host driver bound at boot, '' for none. */
  driver: string;
  /** sysfs attributes with their texts. */
  attrs: Readonly<Record<string, string>>;
  /** Names of the files in its sysfs folder. */
  files: readonly string[];
  /** 256 or 4096 bytes of config space. */
  config: Uint8Array;
  /** Which config bits the hardware lets be written, and which are cleared by writing 1; null: not known. */
  wmask: Uint8Array | null;
  w1c: Uint8Array | null;
  /** Name of the device model; left out: by vendor and device id. */
  model?: string;
}

/** An ACPI power resource, and the functions whose _PR0 and _PR3 name it. */
export interface PowerResource {
  name: string;
  pr0: readonly string[];
  pr3: readonly string[];
  /** Does what it feeds lose its state when it is off? */
  losesState: boolean;
}

/** A machine as a file describes it. */
export interface MachineDescription {
  name: string;
  devices: MachineDevice[];
  biosYear: number;
  powerResources: PowerResource[];
  /** 'acpi', 'native', 'none', or words that say which ports have which. */
  hotplug: string;
  /** Why a hot reset of PCIe slots fails after it happened; '' when it does not. */
  hotResetOfPcieSlots: string;
}

interface Json {
  [key: string]: unknown;
}

/**
 * Read `NAME.json`, with `NAME.wmask.json` and the entry for NAME in `platform.json` beside it when there are such.
 * Throws InputError naming the file and the member that is wrong.
 */
export function readMachineFile(file: string): MachineDescription {
  const name = path.basename(file).replace(/\.json$/, '');
  const dir = path.dirname(file);
  const json = readJson(file);
  const wmaskFile = path.join(dir, `${name}.wmask.json`);
  const wmasks = existsSync(wmaskFile) ? readJson(wmaskFile) : {};
  const platformFile = path.join(dir, 'platform.json');
  const platforms = existsSync(platformFile) ? readJson(platformFile) : {};
  const platform = object(platforms[name] ?? {}, `${platformFile}: ${name}`);
  if (!Array.isArray(json.devices)) {
    throw new InputError(
      'no array "devices"',
      file,
      'give a machine file: {"devices": [{"bdf", "path", "config", ...}]}',
    );
  }
  const devices = json.devices.map((value: unknown, i) => {
    const d = object(value, `${file}: devices[${i}]`);
    const masks = typeof d.bdf === 'string' ? wmasks[d.bdf] : undefined;
    return device(
      d,
      masks === undefined ? null : object(masks, `${wmaskFile}: ${String(d.bdf)}`),
      `${file}: devices[${i}]`,
      wmaskFile,
    );
  });
  checkTree(devices, file);
  const resources = platform.powerResources ?? [];
  if (!Array.isArray(resources))
    throw new InputError(
      '"powerResources" is not an array',
      `${platformFile}: ${name}`,
      'list them in an array',
    );
  return {
    name,
    devices,
    biosYear: typeof platform.biosYear === 'number' ? platform.biosYear : 2014,
    powerResources: resources.map((r: unknown, i) => {
      const where = `${platformFile}: ${name}.powerResources[${i}]`;
      return powerResource(object(r, where), where);
    }),
    hotplug: typeof platform.hotplug === 'string' ? platform.hotplug : 'none',
    hotResetOfPcieSlots: typeof platform.hotResetOfPcieSlots === 'string' ? platform.hotResetOfPcieSlots : '',
  };
}

function object(value: unknown, where: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('not an object', where, 'write {...}');
  return value as Json;
}

/** Address of the bridge above a device, null on the root bus. */
export function parentOf(d: MachineDevice): string | null {
  const up = d.path.split('/').at(-2) ?? '';
  return up.startsWith('pci') ? null : up;
}

/** Every device once, below a bridge that is there and whose bus numbers say so. Throws InputError. */
function checkTree(devices: readonly MachineDevice[], file: string): void {
  const byBdf = new Map<string, MachineDevice>();
  for (const d of devices) {
    if (byBdf.has(d.bdf))
      throw new InputError(`two devices at ${d.bdf}`, file, 'give each function its own address');
    byBdf.set(d.bdf, d);
  }
  for (const d of devices) {
    const up = parentOf(d);
    const bridge = up === null ? undefined : byBdf.get(up);
    if (up !== null && (bridge === undefined || (bridge.config[0x0e] & 0x7f) !== 1))
      throw new InputError(
        `${d.bdf} is below ${up}, which is no bridge`,
        file,
        'give "path" as sysfs has it',
      );
    const bus = `0000:${(bridge?.config[0x19] ?? 0).toString(16).padStart(2, '0')}`;
    if (!d.bdf.startsWith(`${bus}:`) || bridge === d)
      throw new InputError(
        `${d.bdf} is not on bus ${bus}, which ${up === null ? 'is the root bus' : `${up} leads to`}`,
        file,
        'make address, "path" and the bus numbers in the config space of its bridge agree',
      );
  }
}

/** Parse a JSON file that holds an object. Throws InputError. */
export function readJson(file: string): Json {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new InputError('cannot be read', file, 'check the path');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const at = /position (\d+)/.exec((error as Error).message);
    const line = at === null ? '' : `:${text.slice(0, Number(at[1])).split('\n').length}`;
    throw new InputError('not JSON', `${file}${line}`, 'mend the syntax there');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError('not a JSON object', file, 'start it with {');
  return value as Json;
}

function device(d: Json, masks: Json | null, where: string, maskFile: string): MachineDevice {
  const bad = (member: string, wanted: string): InputError =>
    new InputError(`"${member}" is not ${wanted}`, where, `give ${wanted}`);
  if (typeof d.bdf !== 'string' || !/^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(d.bdf))
    throw bad('bdf', 'a PCI address (dddd:bb:dd.f)');
  if (typeof d.path !== 'string' || !d.path.endsWith(`/${d.bdf}`))
    throw bad('path', `a sysfs path that ends in /${d.bdf}`);
  const config = typeof d.config === 'string' ? parseHex(d.config) : null;
  if (config === null || (config.length !== 256 && config.length !== 4096))
    throw bad('config', '256 or 4096 bytes in hex');
  if (!isTexts(d.attrs)) throw bad('attrs', 'an object of sysfs texts');
  for (const line of (d.attrs.resource ?? '').split('\n')) {
    const [start, end, flags, ...more] = line.trim().split(/\s+/).map(Number);
    if (line.trim() !== '' && !(start >= 0 && end >= 0 && flags >= 0 && more.length === 0))
      throw bad('attrs.resource', 'lines of start, end and flags');
  }
  const group = d.iommu_group ?? -1;
  if (!Number.isSafeInteger(group)) throw bad('iommu_group', 'a number');
  return {
    bdf: d.bdf,
    path: d.path,
    iommuGroup: group as number,
    driver: typeof d.driver === 'string' ? d.driver : '',
    attrs: d.attrs,
    files: Array.isArray(d.files) ? d.files.filter((f) => typeof f === 'string') : [],
    config,
    wmask: masks === null ? null : writeMask(masks.wmask, config.length, `${maskFile}: ${d.bdf}.wmask`),
    w1c: masks === null ? null : maskBytes(masks.w1c, config.length, `${maskFile}: ${d.bdf}.w1c`),
    ...(typeof d.model === 'string' && { model: d.model }),
  };
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((v) => typeof v === 'string')
  );
}

/** `{"0x4": "07"}` -> bytes by offset. Beyond the last byte that was measured hardware is taken to be writable. */
function writeMask(value: unknown, length: number, where: string): Uint8Array {
  const bytes = maskBytes(value, length, where);
  const last = Math.max(0xff, ...Object.keys(object(value ?? {}, where)).map(Number));
  return bytes.fill(0xff, Math.min(last + 1, length));
}

/** `{"0x4": "07"}` -> bytes by offset. */
function maskBytes(value: unknown, length: number, where: string): Uint8Array {
  const bytes = new Uint8Array(length);
  for (const [key, text] of Object.entries(object(value ?? {}, where))) {
    const off = Number(key);
    const mask = typeof text === 'string' ? parseHex(text) : null;
    if (!Number.isInteger(off) || off < 0 || off >= length || mask === null || mask.length !== 1) {
      throw new InputError(
        `"${key}": ${JSON.stringify(text)} is not an offset with a byte`,
        where,
        'write "0x4": "07"',
      );
    }
    bytes[off] = mask[0];
  }
  return bytes;
}

function powerResource(r: Json, where: string): PowerResource {
  const addresses = (v: unknown): boolean => Array.isArray(v) && v.every((a) => typeof a === 'string');
  if (typeof r.name !== 'string' || !addresses(r._PR0) || !addresses(r._PR3)) {
    throw new InputError('not a power resource', where, 'give "name", "_PR0" and "_PR3"');
  }
  const off = typeof r.off === 'string' ? r.off : '';
  return {
    name: r.name,
    pr0: r._PR0 as string[],
    pr3: r._PR3 as string[],
    losesState: !/nothing is lost/.test(off),
  };
}
