// SPDX-License-Identifier: GPL-2.0-only
import type { Kernel } from '@vfio-lab/headers';
import { group_of, iommu_bus_init, vfio_iommu_driver_ops_type1 } from '@vfio-lab/iommu';
import {
  create_process,
  devtmpfs_list,
  EINVAL,
  ENODEV,
  ENOENT,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  type mm_struct,
  type process,
  set_kasan,
  slab_mark,
  PROT_READ,
  PROT_WRITE,
  sys_exit_group,
  sys_mmap,
  sysfs_bin_read,
  sysfs_bin_write,
  sysfs_file,
  sysfs_list,
  sysfs_lookup,
  sysfs_readlink,
  sysfs_show,
  sysfs_write,
} from '@vfio-lab/kernel';
import { Lockdep, LockTrace, RaceLocks, RaceMachine } from '@vfio-lab/locking';
import {
  pci,
  pci_bus_type,
  type pci_dev,
  type pci_device_description,
  pci_find_device_by_name,
  type pci_kernel,
  type pci_machine_description,
  pci_parse_resources,
  type pci_driver,
  pci_register_driver,
  pci_unregister_driver,
  pci_scan,
} from '@vfio-lab/pci';
import { create_device_models } from '@vfio-lab/pci-devices';
import { pmerr, runtime_pm_init } from '@vfio-lab/runtime-pm';
import { type Revision, revision } from '@vfio-lab/series';
import { constant, current, InputError, type LockObserver, Machine, type Policy } from '@vfio-lab/sim';
import { hostDriver, isHostDriver } from './host-drivers.ts';
import { watch_intx_use } from './intx-use.ts';
import { type MachineDescription, type MachineDevice, parentOf } from './machine-file.ts';
import { Races, STRUCTS } from './races.ts';
import { topology } from './topology.ts';

export interface BootOptions {
  /** Name of the driver to load: base, v4, v4@4, v4+what-if. */
  revision: string;
  /** A topology that comes with vfio-lab, or a machine read from a file. */
  topology?: string;
  machine?: MachineDescription;
  /** Which PCI core: v5.19 (default), or Debian's 6.1 that the recordings were made on. */
  kernel?: pci_kernel;
  /** Module parameters of vfio-pci for a later loadVfio(): 'disable_idle_d3=1 enable_sriov=1'. */
  options?: string;
  policy?: Policy;
  /** Keep a timeline, with the C functions. */
  tracing?: boolean;
  /** Give up after so many scheduling points. */
  maxSteps?: number;
  /**
   * Find data races on the fields of structs, from Testbed.watchRaces() on. A race is told by its tasks, or, slowly, by
   * its places: then also the C functions are known.
   */
  races?: 'tasks' | 'places';
  /** Keep the stack of C functions also without a timeline, for findings and lock statistics. */
  instrument?: boolean;
  /** False: without those that watch every lock and every freed struct, to see what they cost. */
  checkers?: boolean;
}

const DEVICES = '/sys/bus/pci/devices';
const PORT_CLASS = 0x0604;

/** A booted machine with a user process on it. All methods but the first two must be called from a task. */
export class Testbed {
  readonly machine: Machine;
  readonly description: MachineDescription;
  readonly revision: Revision;
  readonly lockdep = new Lockdep();
  /** Null when races are not looked for. */
  readonly races: Races | null;
  process!: process;
  /** Its memory, also when it has ended. */
  memory!: mm_struct;
  private _kernel: Kernel | null = null;
  /** What was allocated later has no owner when all devices are unbound; see checkUnbound(). */
  mark = 0;
  private readonly _options: string;
  private readonly _instrument: boolean;
  private readonly _checkers: boolean;
  /** Host drivers by the names of their modules. */
  private readonly loaded = new Map<string, pci_driver>();

  constructor(machine: Machine, description: MachineDescription, opts: BootOptions, races: Races | null) {
    this.machine = machine;
    this.races = races;
    this.description = constant(description);
    this.revision = constant(revision(opts.revision));
    this._options = opts.options ?? '';
    this._instrument = opts.tracing === true || opts.instrument === true;
    this._checkers = opts.checkers ?? true;
    let watch: LockObserver | null = this._checkers || opts.tracing === true ? this.lockdep : null;
    if (machine instanceof RaceMachine) watch = new RaceLocks(machine, watch);
    machine.lock_observer = opts.tracing === true ? new LockTrace(watch) : watch;
  }

  /** From here on accesses to fields count for the search for races (BootOptions.races). */
  watchRaces(): void {
    if (this.machine instanceof RaceMachine) this.machine.watch();
  }

  /** Run a program as the user process. */
  asUser(program: () => Promise<void>): Promise<void> {
    return this.machine.run(async () => {
      current.process = this.process;
      await program();
    });
  }

  /** Power the machine on: buses, IOMMU groups, host drivers, an empty user process. */
  async powerOn(kernel: pci_kernel): Promise<void> {
    const { description } = this;
    const groups = new Map(description.devices.map((d) => [d.bdf, d.iommuGroup]));
    await this.machine.run(async () => {
      set_kasan(this._checkers);
      runtime_pm_init();
      pci().kernel = kernel;
      await iommu_bus_init(pci_bus_type(), (dev) => groups.get(dev.name));
      await pci_scan(pciDescription(description, kernel));
      for (const name of new Set(description.devices.map((d) => d.driver))) {
        if (name !== '' && name !== 'pcieport' && isHostDriver(name)) await this.loadModule(name, []);
      }
      this.restartProcess();
    }, 'boot');
  }

  /** The loaded driver. Throws before loadVfio(). */
  get kernel(): Kernel {
    if (this._kernel === null) throw new Error('vfio is not loaded');
    return this._kernel;
  }

  /** Insert the vfio modules; parameters as to BootOptions.options, added to those. 0 or -errno. */
  async loadVfio(options = ''): Promise<number> {
    if (this._kernel !== null) return 0;
    const k = this.revision.image.boot({ instrument: this._instrument });
    this._kernel = k;
    watch_intx_use(k);
    for (const word of `${this._options} ${options}`.split(/\s+/).filter((w) => w !== ''))
      setParameter(k, word);
    const ret =
      (await k.vfio_init()) ||
      (await k.vfio_register_iommu_driver(vfio_iommu_driver_ops_type1())) ||
      k.vfio_virqfd_init() ||
      k.vfio_pci_core_init() ||
      (await k.vfio_pci_init());
    this.mark = slab_mark();
    return ret;
  }

  /** Is there a driver? */
  get driverLoaded(): boolean {
    return this._kernel !== null;
  }

  /** Remove the vfio modules: what was bound is unbound first. Nothing may be open. */
  async unloadVfio(): Promise<void> {
    const k = this._kernel;
    if (k === null) return;
    await k.vfio_pci_cleanup();
    k.vfio_pci_core_cleanup();
    await k.vfio_virqfd_exit();
    await k.vfio_unregister_iommu_driver(vfio_iommu_driver_ops_type1());
    await k.vfio_cleanup();
    this._kernel = null;
  }

  /** A new user process, the first or in place of one that has ended. */
  restartProcess(): void {
    this.process = create_process('vmm');
    this.memory = this.process.mm as mm_struct;
  }

  /** Insert another module: a host driver, or one that tampers with a device (fakeid, pmerr). 0 or -errno. */
  async loadModule(name: string, options: readonly string[]): Promise<number> {
    const args = new Map(options.map((o) => [o.slice(0, o.indexOf('=')), o.slice(o.indexOf('=') + 1)]));
    if (name === 'fakeid' || name === 'pmerr') {
      const pdev = pci_find_device_by_name(args.get('bdf') ?? '');
      if (pdev === null) return -ENODEV;
      if (name === 'pmerr') return pmerr(pdev.dev, args.get('op') ?? '');
      const vendor = args.get('vendor');
      const cls = args.get('class');
      if ([vendor, cls].some((v) => v !== undefined && !Number.isInteger(Number(v)))) return -EINVAL;
      if (vendor !== undefined) pdev.vendor = Number(vendor);
      if (cls !== undefined) pdev.class = Number(cls);
      return 0;
    }
    if (!isHostDriver(name)) return -ENOENT;
    if (this.loaded.has(name)) return 0;
    const drv = hostDriver(name);
    this.loaded.set(name, drv);
    return pci_register_driver(drv);
  }

  /** Remove such a module; the devices of a host driver are unbound. 0 or -errno. */
  async removeModule(name: string): Promise<number> {
    if (name === 'fakeid' || name === 'pmerr') return 0;
    const drv = this.loaded.get(name);
    if (drv === undefined) return -ENOENT;
    this.loaded.delete(name);
    await pci_unregister_driver(drv);
    return 0;
  }

  /** Bind a device to vfio-pci, loading vfio first. Throws when that fails. */
  async bindVfio(bdf: string): Promise<void> {
    const ret = await this.loadVfio();
    if (ret !== 0) throw new Error(`vfio does not load: ${ret}`);
    await sysfs_write(`${DEVICES}/${bdf}/driver_override`, 'vfio-pci');
    await sysfs_write('/sys/bus/pci/drivers_probe', bdf);
    if (this.driverOf(bdf) !== 'vfio-pci') throw new Error(`${bdf} does not bind to vfio-pci`);
  }

  /** Take every device away from vfio-pci. */
  async unbindAll(): Promise<void> {
    for (const bdf of this.boundDevices()) await sysfs_write(`${DEVICES}/${bdf}/driver/unbind`, bdf);
  }

  /** Addresses of the devices that vfio-pci has. */
  boundDevices(): string[] {
    return pci()
      .devices.map((d) => d.dev.name)
      .filter((bdf) => this.driverOf(bdf) === 'vfio-pci');
  }

  /** Addresses of all functions that are no bridge. */
  endpoints(): string[] {
    return pci()
      .devices.filter((d) => d.hdr_type === 0)
      .map((d) => d.dev.name);
  }

  /** Usage count of a bound device that nobody has open. */
  restingCount(): number {
    return this._kernel?.vfio_pci_parameters.disable_idle_d3 === true ? 1 : 0;
  }

  /** The PCI device at an address. Throws when there is none. */
  pciDevice(bdf: string): pci_dev {
    const pdev = pci_find_device_by_name(bdf);
    if (pdev === null) throw new Error(`no device ${bdf}`);
    return pdev;
  }

  /** Number of the IOMMU group of a device as text, '' when it has none. */
  groupOf(bdf: string): string {
    const pdev = pci_find_device_by_name(bdf);
    const group = pdev === null ? null : group_of(pdev.dev);
    return group === null ? '' : String(group.id);
  }

  /** Name of the driver that the device's sysfs link shows, '' for none. */
  driverOf(bdf: string): string {
    return sysfs_readlink(`${DEVICES}/${bdf}/driver`)?.split('/').at(-1) ?? '';
  }

  /** The text of an attribute with its newline, or -errno. */
  sysfsRead(path: string): Promise<string | number> {
    const node = sysfs_lookup(path);
    return node instanceof sysfs_file ? sysfs_show(node) : Promise.resolve(-ENOENT);
  }

  sysfsWrite(path: string, text: string): Promise<number> {
    return sysfs_write(path, text);
  }

  /** Names in a folder of /sys or /dev, sorted; empty when there is no such folder. */
  sysfsList(path: string): string[] {
    const names = path.startsWith('/dev') ? devtmpfs_list(path) : sysfs_list(path);
    return typeof names === 'number' ? [] : [...names].sort();
  }

  /** Read config space through sysfs, as lspci does: bytes or -errno. */
  async configRead(bdf: string, off: number, length: number): Promise<Uint8Array | number> {
    const file = configFile(bdf);
    return file === null ? -ENOENT : sysfs_bin_read(file, off, length);
  }

  /** Write config space through sysfs, as setpci does: the count or -errno. */
  async configWrite(bdf: string, off: number, bytes: Uint8Array): Promise<number> {
    const file = configFile(bdf);
    return file === null ? -ENOENT : sysfs_bin_write(file, bytes, off);
  }

  /** Fresh anonymous memory of the user process, whole pages, at most 1 GiB: its address. */
  async anonymousMemory(size: bigint): Promise<number> {
    const length = Number(size > 1n << 30n ? 1n << 30n : size < 4096n ? 4096n : size);
    return sys_mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }

  /** The user process ends: mappings and files go. */
  exitProcess(): Promise<void> {
    return sys_exit_group();
  }
}

/** Build and boot a machine. Throws InputError for an unknown revision, topology or module parameter. */
export async function bootTestbed(opts: BootOptions): Promise<Testbed> {
  const description = opts.machine ?? topology(opts.topology ?? 'gpu');
  const machineOptions = {
    tracing: opts.tracing ?? false,
    parallel_time: opts.kernel === 'v6.1.192',
    ...(opts.policy !== undefined && { policy: opts.policy }),
    ...(opts.maxSteps !== undefined && { max_steps: opts.maxSteps }),
  };
  const races = opts.races === undefined ? null : new Races(opts.revision);
  const machine =
    races === null
      ? new Machine(machineOptions)
      : new RaceMachine({
          ...machineOptions,
          structs: STRUCTS,
          race: (race) => races.found(race),
          places: opts.races === 'places',
        });
  const testbed = new Testbed(machine, description, opts, races);
  for (const word of (opts.options ?? '').split(/\s+/).filter((w) => w !== ''))
    checkParameter(word, '--options');
  await testbed.powerOn(opts.kernel ?? 'v5.19');
  return testbed;
}

function configFile(bdf: string): sysfs_file | null {
  const file = sysfs_lookup(`${DEVICES}/${bdf}/config`);
  return file instanceof sysfs_file ? file : null;
}

const PARAMETERS = [
  'ids',
  'nointxmask',
  'disable_vga',
  'disable_idle_d3',
  'enable_sriov',
  'disable_denylist',
] as const;

/** A module parameter word, checked. Throws InputError. */
export function checkParameter(
  word: string,
  where: string,
): { name: (typeof PARAMETERS)[number]; value: string } {
  const [name, value = '1'] = word.split('=', 2);
  const known = PARAMETERS.find((p) => p === name);
  if (known === undefined)
    throw new InputError(`vfio-pci has no parameter "${name}"`, where, `there are ${PARAMETERS.join(', ')}`);
  if (known !== 'ids' && !/^[01yn]$/i.test(value))
    throw new InputError(`${name}=${value}: not a boolean`, where, 'write 0, 1, y or n');
  return { name: known, value };
}

function setParameter(k: Kernel, word: string): void {
  const { name, value } = checkParameter(word, 'load_vfio');
  if (name === 'ids') k.vfio_pci_parameters.ids = value;
  else k.vfio_pci_parameters[name] = /^[1y]$/i.test(value);
}

/** The line that a pin is wired to: pins are swizzled at every bridge, root-bus slots take four lines in turn. */
function interruptLine(d: MachineDevice, byBdf: Map<string, MachineDevice>): number {
  let pin = d.config[0x3d];
  if (pin < 1 || pin > 4) return 0;
  let at = d;
  for (;;) {
    const slot = parseInt(at.bdf.slice(8, 10), 16);
    const parent = byBdf.get(parentOf(at) ?? '');
    if (parent === undefined) return (slot >= 25 ? 16 : 20) + ((slot + pin - 1) & 3);
    pin = ((pin - 1 + slot) & 3) + 1;
    at = parent;
  }
}

/** What a boot derives from a device's description, the same every time. */
interface Derived {
  parent: string | null;
  resources: ReturnType<typeof pci_parse_resources>;
  irq: number;
}

const DERIVED = new WeakMap<MachineDevice, Derived>();

function derived(d: MachineDevice, byBdf: Map<string, MachineDevice>): Derived {
  let found = DERIVED.get(d);
  if (found === undefined) {
    found = {
      parent: parentOf(d),
      resources: pci_parse_resources(d.attrs.resource ?? ''),
      irq: interruptLine(d, byBdf),
    };
    DERIVED.set(d, found);
  }
  return found;
}

function pciDescription(m: MachineDescription, kernel: pci_kernel): pci_machine_description {
  const byBdf = new Map(m.devices.map((d) => [d.bdf, d]));
  const models = create_device_models(
    m.devices.map((d) => ({
      bdf: d.bdf,
      config: d.config,
      rom_checksum: m.hotplug.startsWith('acpi') ? 0x41 : 0x11,
      ...(d.model !== undefined && { model: d.model }),
    })),
  );
  const recorded = kernel === 'v6.1.192';
  const devices = m.devices.map((d): pci_device_description => {
    const model = models.get(d.bdf);
    const port = ((d.config[0x0b] << 8) | d.config[0x0a]) === PORT_CLASS;
    return {
      bdf: d.bdf,
      config: d.config,
      ...derived(d, byBdf),
      enabled: Number(d.attrs.enable ?? 0),
      ...(d.wmask !== null && { wmask: d.wmask }),
      ...(d.w1c !== null && { w1c: d.w1c }),
      ...(model !== undefined && !port && { model }),
      // The recorded machines are emulated ones, with the habits of their emulator.
      ...(recorded && {
        quirks: {
          d3hot_decodes: true,
          d3hot_keeps_state: true,
          reset_keeps_vendor_bytes: true,
          flr_kills_vfs: true,
          legacy_ungated: true,
          narrow_loads_whole: true,
        },
      }),
    };
  });
  return {
    devices,
    kernel,
    bios_year: m.biosYear,
    open_bus_zero: recorded,
    free_lines_deaf: recorded,
    // Under the emulator of the recorded machines every access to a device costs an exit.
    ...(recorded && { costs: { config: 4000, mmio_read: 4000, mmio_write: 4000, port: 4000 } }),
    hotplug: m.hotplug.startsWith('native') ? 'pciehp' : m.hotplug.startsWith('acpi') ? 'acpi' : 'none',
    power_resources: m.powerResources.map((r) => {
      const feedsPort = r.pr0.some((bdf) => {
        const d = byBdf.get(bdf);
        return d !== undefined && ((d.config[0x0b] << 8) | d.config[0x0a]) === PORT_CLASS;
      });
      return {
        name: r.name,
        pr0: r.pr0,
        pr3: r.pr3,
        off: r.losesState ? (feedsPort ? 'slot' : 'cut') : 'none',
      };
    }),
  };
}
