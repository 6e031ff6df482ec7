// SPDX-License-Identifier: GPL-2.0-only
import { join, machine, spawn, yield_now } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean, run_random } from './machine.ts';

interface Lab {
  bus: k.bus_type;
  log: string[];
  add(name: string, parent?: k.device): Promise<k.device>;
  driver(name: string, probe?: (dev: k.device) => number): k.device_driver;
}

function lab(): Lab {
  const log: string[] = [];
  const bus = new k.bus_type('pci');
  bus.match = (_dev, drv) => drv.name !== 'other';
  k.bus_register(bus);
  return {
    bus,
    log,
    async add(name, parent) {
      const dev = new k.device();
      k.device_initialize(dev);
      k.dev_set_name(dev, name);
      dev.bus = bus;
      dev.parent = parent ?? null;
      dev.release = () => void log.push(`release ${name}`);
      expect(await k.device_add(dev)).toBe(0);
      return dev;
    },
    driver(name, probe) {
      const drv = new k.device_driver();
      drv.name = name;
      drv.bus = bus;
      drv.probe = (dev) => {
        log.push(`probe ${dev.name}`);
        k.dev_set_drvdata(dev, { of: dev.name });
        return probe?.(dev) ?? 0;
      };
      drv.remove = (dev) => void log.push(`remove ${dev.name}`);
      return drv;
    },
  };
}

const DEV = '/sys/bus/pci/devices/0000:02:00.0';

describe('driver core', () => {
  it('binds a new driver to what it fits and unbinds at the end', () =>
    run_clean(async () => {
      const { bus, log, add, driver } = lab();
      const dev = await add('0000:02:00.0');
      const drv = driver('vfio-pci');
      expect(await k.driver_register(drv)).toBe(0);
      expect(dev.driver).toBe(drv);
      expect(k.device_is_bound(dev)).toBe(true);
      expect(k.dev_get_drvdata<{ of: string }>(dev).of).toBe('0000:02:00.0');
      expect(k.sysfs_readlink(`${DEV}/driver`)).toBe('vfio-pci');
      expect(k.sysfs_list('/sys/bus/pci/drivers/vfio-pci')).toEqual(['0000:02:00.0', 'bind', 'unbind']);
      const twin = driver('vfio-pci');
      expect(await k.driver_register(twin)).toBe(-k.EBUSY);
      await k.driver_unregister(drv);
      expect(dev.driver).toBe(null);
      expect(k.driver_find('vfio-pci', bus)).toBe(null);
      await k.device_unregister(dev);
      expect(log).toEqual(['probe 0000:02:00.0', 'remove 0000:02:00.0', 'release 0000:02:00.0']);
      expect(k.sysfs_lookup(DEV)).toBe(null);
    }));

  it('bind, unbind and drivers_probe through sysfs', () =>
    run_clean(async () => {
      const { bus, log, add, driver } = lab();
      bus.drivers_autoprobe = false;
      const dev = await add('0000:02:00.0');
      expect(await k.driver_register(driver('vfio-pci'))).toBe(0);
      expect(dev.driver).toBe(null);
      expect(await k.sysfs_write('/sys/bus/pci/drivers_probe', '0000:02:00.0')).toBe(12);
      expect(await k.sysfs_write('/sys/bus/pci/drivers_probe', '0000:02:00.0\n')).toBe(13);
      expect(await k.sysfs_write('/sys/bus/pci/drivers_probe', '0000:99:00.0')).toBe(-k.ENODEV);
      expect(dev.driver?.name).toBe('vfio-pci');
      expect(await k.sysfs_write('/sys/bus/pci/drivers/vfio-pci/bind', '0000:02:00.0')).toBe(-k.EBUSY);
      expect(await k.sysfs_write('/sys/bus/pci/drivers/vfio-pci/unbind', '0000:99:00.0')).toBe(-k.ENODEV);
      expect(await k.sysfs_write(`${DEV}/driver/unbind`, '0000:02:00.0')).toBe(12);
      expect(await k.sysfs_write('/sys/bus/pci/drivers/vfio-pci/unbind', '0000:02:00.0')).toBe(-k.ENODEV);
      expect(dev.driver).toBe(null);
      expect(await k.sysfs_write('/sys/bus/pci/drivers/vfio-pci/bind', '0000:02:00.0')).toBe(12);
      expect(await k.sysfs_read('/sys/bus/pci/drivers_autoprobe')).toBe('0');
      expect(await k.sysfs_write('/sys/bus/pci/drivers_autoprobe', '1')).toBe(1);
      const other = driver('other');
      await k.driver_register(other);
      expect(await k.sysfs_write('/sys/bus/pci/drivers/other/bind', '0000:02:00.0')).toBe(-k.ENODEV);
      expect(log.filter((l) => l.startsWith('probe'))).toHaveLength(2);
    }));

  it('cleans up after a probe that fails and tries the next driver', () =>
    run_clean(async () => {
      const { bus, log, add, driver } = lab();
      bus.dma_cleanup = () => void log.push('dma_cleanup');
      bus.dma_configure = () => 0;
      await k.driver_register(driver('bad', () => -k.EIO));
      await k.driver_register(driver('quiet', () => -k.ENODEV));
      await k.driver_register(driver('good'));
      const dev = await add('d');
      expect(dev.driver?.name).toBe('good');
      expect(log).toEqual(['probe d', 'dma_cleanup', 'probe d', 'dma_cleanup', 'probe d']);
      expect(machine.log).toEqual(['<4>bad: probe of d failed with error -5']);
      const loser = await k.device_driver_attach(bus.drivers[0], dev);
      expect(loser).toBe(-k.EBUSY);
      await k.device_driver_detach(dev);
      expect(await k.device_driver_attach(bus.drivers[0], dev)).toBe(-k.EIO);
      expect(k.dev_get_drvdata(dev)).toBe(null);
      bus.dma_configure = () => -k.EBUSY;
      expect(await k.device_driver_attach(bus.drivers[2], dev)).toBe(-k.EBUSY);
      expect(await k.sysfs_write('/sys/bus/pci/drivers_probe', 'd')).toBe(-k.EINVAL);
      expect(await k.bus_rescan_devices(bus)).toBe(-k.EBUSY);
    }));

  it('tells a bus notifier the whole story', () =>
    run_clean(async () => {
      const { bus, add, driver } = lab();
      const seen: number[] = [];
      const nb = new k.notifier_block();
      nb.notifier_call = (_nb, action) => (seen.push(action), k.NOTIFY_DONE);
      expect(await k.bus_register_notifier(bus, nb)).toBe(0);
      expect(await k.bus_register_notifier(bus, nb)).toBe(-k.EEXIST);
      await k.driver_register(driver('v', (d) => (d.name === 'bad' ? -k.EIO : 0)));
      const dev = await add('d');
      await k.device_release_driver(dev);
      await k.device_del(dev);
      await add('bad');
      expect(await k.bus_unregister_notifier(bus, nb)).toBe(0);
      expect(await k.bus_unregister_notifier(bus, nb)).toBe(-k.ENOENT);
      expect(seen).toEqual([
        k.BUS_NOTIFY_ADD_DEVICE,
        k.BUS_NOTIFY_BIND_DRIVER,
        k.BUS_NOTIFY_BOUND_DRIVER,
        k.BUS_NOTIFY_UNBIND_DRIVER,
        k.BUS_NOTIFY_UNBOUND_DRIVER,
        k.BUS_NOTIFY_DEL_DEVICE,
        k.BUS_NOTIFY_REMOVED_DEVICE,
        k.BUS_NOTIFY_ADD_DEVICE,
        k.BUS_NOTIFY_BIND_DRIVER,
        k.BUS_NOTIFY_DRIVER_NOT_BOUND,
      ]);
    }));

  it('calls runtime PM where the driver core does', () =>
    run_clean(async () => {
      const calls: string[] = [];
      const note =
        (what: string) =>
        (dev: k.device): number => (calls.push(`${what} ${dev.name}`), 0);
      k.register_pm_core({
        init: note('init'),
        add: note('add') as never,
        remove: note('remove') as never,
        reinit: note('reinit') as never,
        get_sync: note('get_sync'),
        put: note('put'),
        put_sync: note('put_sync'),
        request_idle: note('request_idle'),
        barrier: note('barrier'),
      });
      const { add, driver } = lab();
      const port = await add('port');
      const dev = await add('fn', port);
      calls.length = 0;
      await k.driver_register(driver('v'));
      expect(calls.splice(0)).toEqual([
        'barrier port',
        'request_idle port',
        'get_sync port',
        'barrier fn',
        'request_idle fn',
        'put port',
      ]);
      await k.device_release_driver(dev);
      expect(calls).toEqual(['get_sync fn', 'put_sync fn', 'reinit fn']);
    }));

  it('walks children and devices until one says stop', () =>
    run_clean(async () => {
      const { bus, add } = lab();
      const port = await add('port');
      await add('a', port);
      await add('b', port);
      const seen: string[] = [];
      const stop = (d: k.device): number => (seen.push(d.name), d.name === 'a' ? 5 : 0);
      expect(await k.device_for_each_child(port, stop)).toBe(5);
      expect(await k.bus_for_each_dev(bus, stop)).toBe(5);
      expect(seen).toEqual(['a', 'port', 'a']);
      expect(await k.device_for_each_child(port, () => 0)).toBe(0);
      expect(k.sysfs_list('/sys/devices/port')).toEqual(['a', 'b', 'subsystem']);
    }));

  it('serialises by the device lock and knows who has it', async () => {
    const m = await run(async () => {
      const { add } = lab();
      const dev = await add('d');
      await k.device_lock(dev);
      k.device_lock_assert(dev);
      const t = spawn('other', async () => {
        expect(await k.device_trylock(dev)).toBe(0);
      });
      await join(t);
      await k.device_unlock(dev);
      k.device_lock_assert(dev);
    });
    expect(kinds(m)).toEqual(['lockdep-assert']);
  });

  it('warns about a device without release, refuses one without a name', async () => {
    const m = await run(async () => {
      const dev = new k.device();
      k.device_initialize(dev);
      expect(await k.device_add(dev)).toBe(-k.EINVAL);
      await k.put_device(dev);
      await k.put_device(null);
      expect(k.device_create_file(dev, { name: 'x', mode: 0o444 })).toBe(-k.EINVAL);
      expect(k.device_create_bin_file(dev, { name: 'x', mode: 0o444, size: 0 })).toBe(-k.EINVAL);
      expect(k.device_is_registered(dev)).toBe(false);
    });
    expect(kinds(m)).toEqual(['WARN_ON']);
  });
});

describe('notifier chains', () => {
  it('calls by priority and stops where told', () =>
    run_clean(async () => {
      const nh = new k.blocking_notifier_head();
      k.BLOCKING_INIT_NOTIFIER_HEAD(nh);
      expect(await k.blocking_notifier_call_chain(nh, 1, null)).toBe(k.NOTIFY_DONE);
      const seen: number[] = [];
      const blocks = [0, 5, 3].map((priority) => {
        const nb = new k.notifier_block();
        nb.priority = priority;
        nb.notifier_call = (b) => (seen.push(b.priority), b.priority === 3 ? k.NOTIFY_BAD : k.NOTIFY_OK);
        return nb;
      });
      for (const nb of blocks) await k.blocking_notifier_chain_register(nh, nb);
      expect(await k.blocking_notifier_call_chain(nh, 1, null)).toBe(k.NOTIFY_BAD);
      expect(seen).toEqual([5, 3]);
      expect(await k.blocking_notifier_chain_unregister(nh, blocks[1])).toBe(0);
      expect(await k.blocking_notifier_chain_unregister(nh, blocks[0])).toBe(0);
      expect(nh.head).toBe(blocks[2]);
      expect(new k.notifier_block().notifier_call(blocks[0], 0, null)).toBe(k.NOTIFY_DONE);
    }));
});

describe('sysfs', () => {
  const group = new k.attribute_group({
    name: 'power',
    attrs: [
      {
        name: 'control',
        mode: 0o644,
        show: (dev) => `${k.dev_get_drvdata<string>(dev)}\n`,
        store: (dev, _attr, buf) =>
          k.sysfs_streq(buf, 'bad') ? -k.EINVAL : (k.dev_set_drvdata(dev, buf.trim()), buf.length),
      },
      { name: 'hidden', mode: 0o444 },
    ],
    bin_attrs: [
      {
        name: 'config',
        mode: 0o600,
        size: 8,
        read: (_dev, _attr, off, n) => Uint8Array.from({ length: n }, (_, i) => off + i),
        write: (_dev, _attr, bytes) => bytes.length,
        mmap: () => 0,
      },
    ],
    is_visible: (_dev, attr) => (attr.name === 'hidden' ? 0 : attr.mode),
  });

  it('shows and stores by path and by file descriptor', () =>
    run_clean(async (p) => {
      const { add } = lab();
      const dev = await add('0000:02:00.0');
      k.dev_set_drvdata(dev, 'auto');
      expect(k.device_add_group(dev, group)).toBe(0);
      expect(k.device_add_group(dev, group)).toBe(-k.EEXIST);
      expect(k.sysfs_list(`${DEV}/power`)).toEqual(['config', 'control']);
      expect(await k.sysfs_read(`${DEV}/power/control`)).toBe('auto');
      expect(await k.sysfs_write(`${DEV}/power/control`, 'on')).toBe(2);
      expect(await k.sysfs_write(`${DEV}/power/control`, 'bad')).toBe(-k.EINVAL);
      expect(await k.sysfs_write(`${DEV}/power/control`, '')).toBe(0);
      expect(await k.sysfs_write(`${DEV}/power/config`, 'ab')).toBe(2);
      expect(await k.sysfs_read(`${DEV}/power/nothing`)).toBe(-k.ENOENT);
      expect(await k.sysfs_write(`${DEV}/power/nothing`, 'x')).toBe(-k.ENOENT);
      expect(await k.sysfs_read(`${DEV}/power`)).toBe(-k.EISDIR);
      expect(await k.sysfs_write(`${DEV}/power`, 'x')).toBe(-k.EISDIR);
      expect(await k.sysfs_read('/sys/bus/pci/drivers_probe')).toBe(-k.EACCES);
      expect(k.sysfs_list('/sys/nothing')).toBe(-k.ENOENT);
      expect(k.sysfs_readlink(`${DEV}/power`)).toBe(null);
      expect(k.sysfs_lookup('/proc')).toBe(null);
      expect(k.sysfs_lookup(`${DEV}/power/control/x`)).toBe(null);
      expect(k.sysfs_lookup(`${DEV}/../0000:02:00.0`)?.path).toBe('/sys/devices/0000:02:00.0');

      const mm = p.mm as k.mm_struct;
      const buf = mm.alloc(16);
      const fd = await k.sys_openat(`${DEV}/power/control`, k.O_RDWR);
      expect(await k.sys_read(fd, buf, 16)).toBe(3);
      expect(String.fromCharCode(...mm.load(buf, 3))).toBe('on\n');
      expect(await k.sys_read(fd, buf, 16)).toBe(0);
      expect(await k.sys_lseek(fd, 0, k.SEEK_SET)).toBe(0);
      expect(await k.sys_lseek(fd, 1, k.SEEK_CUR)).toBe(1);
      expect(await k.sys_lseek(fd, 0, k.SEEK_END)).toBe(-k.EINVAL);
      mm.store(buf, new Uint8Array([0x61, 0x62]));
      expect(await k.sys_pwrite64(fd, buf, 2, 0)).toBe(2);
      expect(k.dev_get_drvdata(dev)).toBe('ab');
      expect(await k.sys_pread64(fd, 0x1000, 2, 0)).toBe(-k.EFAULT);
      expect(await k.sys_pwrite64(fd, 0x1000, 2, 0)).toBe(-k.EFAULT);
      expect(await k.sys_poll1(fd, 1, 0)).toEqual({ ret: 1, revents: 1 });
      expect(await k.sys_mmap(0, 4096, 1, k.MAP_SHARED, fd, 0)).toBe(-k.EINVAL);

      const cfg = await k.sys_openat(`${DEV}/power/config`, k.O_RDWR);
      expect(await k.sys_pread64(cfg, buf, 16, 6)).toBe(2);
      expect([...mm.load(buf, 2)]).toEqual([6, 7]);
      expect(await k.sys_pread64(cfg, buf, 1, 8)).toBe(0);
      expect(await k.sys_pread64(cfg, buf, 0, 0)).toBe(0);
      expect(await k.sys_pwrite64(cfg, buf, 16, 6)).toBe(2);
      expect(await k.sys_pwrite64(cfg, buf, 1, 8)).toBe(0);
      expect(await k.sys_write(cfg, buf, 0)).toBe(0);
      expect(await k.sys_mmap(0, 4096, 1, k.MAP_SHARED, cfg, 0)).toBeGreaterThan(0);
      expect(await k.sys_openat(`${DEV}/power`, k.O_RDONLY)).toBe(-k.EISDIR);
      expect(await k.sys_openat('/sys/bus/pci/drivers_probe', k.O_RDWR)).toBe(-k.EACCES);
      expect(await k.sys_openat('/sys/bus/pci/drivers_probe', k.O_WRONLY)).toBeGreaterThan(0);

      await k.device_remove_group(dev, group);
      expect(k.sysfs_lookup(`${DEV}/power`)).toBe(null);
      k.device_create_file(dev, { name: 'mute', mode: 0o644 });
      expect(await k.sysfs_read(`${DEV}/mute`)).toBe(-k.EIO);
      expect(await k.sysfs_write(`${DEV}/mute`, 'x')).toBe(-k.EIO);
      await k.device_remove_file(dev, { name: 'mute' });
      k.device_create_bin_file(dev, { name: 'mute', mode: 0o644, size: 0 });
      expect(await k.sysfs_write(`${DEV}/mute`, 'x')).toBe(-k.EIO);
      const mute = k.sysfs_lookup(`${DEV}/mute`) as k.sysfs_file;
      expect(await k.sysfs_bin_read(mute, 0, 1)).toBe(-k.EIO);
      await k.sysfs_remove_file(dev.sysfs as k.sysfs_dir, 'nothing');
    }));

  it('removes an attribute only after everybody has left it', () =>
    run_random(30, async () => {
      const dir = k.sysfs_mkdir(k.sysfs_root(), 'a/b');
      let inside = false;
      k.sysfs_create_file(dir, {
        name: 'slow',
        mode: 0o444,
        show: async () => {
          inside = true;
          await yield_now();
          await yield_now();
          inside = false;
          return 'x';
        },
      });
      const reader = spawn('reader', async () => {
        expect(['x', -k.ENOENT, -k.ENODEV]).toContain(await k.sysfs_read('/sys/a/b/slow'));
      });
      await yield_now();
      await yield_now();
      await k.sysfs_remove_dir(k.sysfs_mkdir(k.sysfs_root(), 'a'));
      expect(inside).toBe(false);
      await join(reader);
      expect(k.sysfs_lookup('/sys/a')).toBe(null);
    }));
});

describe('character devices', () => {
  it('makes nodes for misc devices and opens them', () =>
    run_clean(async () => {
      const calls: string[] = [];
      const owner = k.get_module('vfio');
      const fops: k.file_operations = {
        owner,
        open: (node, f) => {
          calls.push(`open ${node.name}`);
          expect(f.private_data).toBe(misc);
          return 0;
        },
        release: () => (calls.push('release'), 0),
        unlocked_ioctl: (_f, cmd) => cmd,
      };
      const misc: k.miscdevice = { minor: 196, name: 'vfio', nodename: 'vfio/vfio', fops };
      expect(await k.misc_register(misc)).toBe(0);
      expect(await k.misc_register({ ...misc })).toBe(-k.EBUSY);
      const dyn: k.miscdevice = { minor: k.MISC_DYNAMIC_MINOR, name: 'dyn', fops: { open: () => -k.EPERM } };
      expect(await k.misc_register(dyn)).toBe(0);
      expect(dyn.minor).toBe(127);
      expect(k.devtmpfs_list('/dev')).toEqual(['dyn', 'vfio']);
      expect(await k.sys_openat('/dev/dyn', k.O_RDWR)).toBe(-k.EPERM);
      const fd = await k.sys_openat('/dev/vfio/vfio', k.O_RDWR);
      expect(owner.refcnt).toBe(1);
      expect(await k.sys_ioctl(fd, 0x3b64, 0)).toBe(0x3b64);
      const f = (await k.fget(fd)) as k.file;
      expect(await k.compat_ptr_ioctl(f, 9, 0)).toBe(9);
      await k.fput(f);
      await k.misc_deregister(misc);
      expect(await k.sys_openat('/dev/vfio/vfio', k.O_RDWR)).toBe(-k.ENOENT);
      await k.sys_close(fd);
      expect(calls).toEqual(['open /dev/vfio/vfio', 'release']);
      expect(owner.refcnt).toBe(0);
      await k.misc_register(misc);
      owner.state = 'going';
      expect(await k.sys_openat('/dev/vfio/vfio', k.O_RDWR)).toBe(-k.ENXIO);
      await k.misc_deregister(dyn);
    }));

  it('a node of a class lives as long as its device is added; open files live on', () =>
    run_clean(async () => {
      class Group {
        dev = new k.device(this);
        cdev = new k.cdev(this);
      }
      const log: string[] = [];
      const devt = { v: 0 };
      expect(k.alloc_chrdev_region(devt, 0, k.MINORMASK + 1, 'vfio')).toBe(0);
      const other = { v: 0 };
      k.alloc_chrdev_region(other, 0, 1, 'x');
      expect(k.MAJOR(other.v)).toBe(k.MAJOR(devt.v) - 1);
      k.unregister_chrdev_region(other.v, 1);
      const cls = k.class_create(null, 'vfio');
      cls.devnode = (dev) => k.kasprintf(k.GFP_KERNEL, `vfio/${k.dev_name(dev)}`);
      const g = new Group();
      k.device_initialize(g.dev);
      g.dev.devt = k.MKDEV(k.MAJOR(devt.v), 3);
      expect(k.MINOR(g.dev.devt)).toBe(3);
      g.dev.class = cls;
      g.dev.release = () => void log.push('group freed');
      k.dev_set_name(g.dev, '14');
      k.cdev_init(g.cdev, {
        open: (node, f) => {
          expect(k.container_of<Group>(node.i_cdev)).toBe(g);
          f.private_data = g;
          return 0;
        },
        release: () => (log.push('release'), 0),
      });
      expect(await k.cdev_device_add(g.cdev, g.dev)).toBe(0);
      expect(k.sysfs_readlink('/sys/class/vfio/14')).toBe('14');
      const fd = await k.sys_openat('/dev/vfio/14', k.O_RDWR);
      expect(fd).toBeGreaterThan(0);
      await k.cdev_device_del(g.cdev, g.dev);
      await k.put_device(g.dev);
      expect(await k.sys_openat('/dev/vfio/14', k.O_RDWR)).toBe(-k.ENOENT);
      expect(log).toEqual([]);
      await k.sys_close(fd);
      expect(log).toEqual(['release', 'group freed']);
      k.class_destroy(cls);
      k.class_destroy(null);
      expect(k.slab_live()).toEqual([]);
    }));

  it('opens /dev/null, refuses what has no cdev', () =>
    run_clean(async (p) => {
      const fd = await k.sys_openat('/dev/null', k.O_RDWR);
      const buf = (p.mm as k.mm_struct).alloc(4);
      expect(await k.sys_read(fd, buf, 4)).toBe(0);
      expect(await k.sys_write(fd, buf, 4)).toBe(4);
      expect(await k.sys_lseek(fd, 4, 0)).toBe(0);
      const dev = new k.device();
      k.device_initialize(dev);
      dev.name = 'bare';
      dev.devt = k.MKDEV(1, 1);
      await k.device_add(dev);
      expect(await k.sys_openat('/dev/bare', k.O_RDWR)).toBe(-k.ENXIO);
    }));
});

describe('capabilities', () => {
  it('are root’s unless dropped; kernel threads have all', () =>
    run_clean(async (p) => {
      expect(k.capable(k.CAP_SYS_RAWIO)).toBe(true);
      p.dropped_caps.add(k.CAP_SYS_RAWIO);
      expect(k.capable(k.CAP_SYS_RAWIO)).toBe(false);
      const t = spawn('kthread', () => expect(k.capable(k.CAP_SYS_RAWIO)).toBe(true), {
        kind: 'kthread',
        process: null,
      });
      await join(t);
      expect(k.task_pid_nr(t)).toBe(t.pid);
      expect(k.signal_pending(t)).toBe(false);
    }));
});
