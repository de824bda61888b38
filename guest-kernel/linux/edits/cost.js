/** What takes a second or more of a boot at a million instructions a second, for something no guest of ours has a use for. */
export default [
  {
    why: 'memory of a VM is zero when it starts: nothing to clear',
    file: 'arch/x86/kernel/head64.c',
    anchor: '	clear_bss();\n',
    instead: '',
  },
  {
    why: 'behind the last page of memory nothing is mapped yet: no need to look at the rest of 512 entries',
    file: 'arch/x86/mm/init_64.c',
    anchor: `set_pmd_init(pmd, __pmd(0), init);
			continue;`,
    instead: `set_pmd_init(pmd, __pmd(0), init);
			break;`,
  },
  {
    why: 'the same for the rest of 512 GiB, a level higher',
    file: 'arch/x86/mm/init_64.c',
    anchor: `set_pud_init(pud, __pud(0), init);
			continue;`,
    instead: `set_pud_init(pud, __pud(0), init);
			break;`,
  },
  {
    why: 'no pages are behind the end of memory: no page structures for them up to the end of a 128 MiB section',
    file: 'mm/page_alloc.c',
    anchor: `	end_pfn = round_up(end_pfn, PAGES_PER_SECTION);
	if (hole_pfn < end_pfn)`,
    instead: '	if (0)',
  },
  {
    why: 'there is no CMOS clock: without this it is waited for, a second by its own delays and three by the clock on the wall',
    file: 'arch/x86/kernel/x86_init.c',
    anchor: '.get_wallclock			= mach_get_cmos_time',
    instead: '.get_wallclock			= get_rtc_noop',
  },
  {
    why: 'there is no MP table: the search for it reads 64 KiB of addresses with no memory behind them, an exit each, four seconds',
    file: 'arch/x86/kernel/x86_init.c',
    anchor: '.find_smp_config	= default_find_smp_config',
    instead: '.find_smp_config	= x86_init_noop',
  },
  {
    why: 'half a megabyte of start-up code may stay: giving it back splits pages, fills them and costs a second',
    file: 'arch/x86/mm/init.c',
    anchor: '	free_kernel_image_pages("unused kernel image (initmem)",',
    before: '	if (0)\n',
  },
  {
    why: '/sys/kernel/slab: 2,000 files that nobody reads',
    file: 'mm/slub.c',
    anchor: '__initcall(slab_sysfs_init);\n',
    instead: 'static initcall_t slab_sysfs __maybe_unused = slab_sysfs_init;\n',
  },
  {
    why: '/sys/module/*/parameters: the command line sets them as ever',
    file: 'kernel/params.c',
    anchor: '	version_sysfs_builtin();\n	param_sysfs_builtin();\n',
    instead: '	if (0) {\n		version_sysfs_builtin();\n		param_sysfs_builtin();\n	}\n',
  },
  {
    why: 'a spare thread for each work queue, for when memory is so short that no thread can be started',
    file: 'kernel/workqueue.c',
    anchor: '	if (!(wq->flags & WQ_MEM_RECLAIM))\n		return 0;\n\n	rescuer',
    instead: '	return 0;\n\n	rescuer',
  },
  {
    why: 'a worker that starts makes another one when it was the last at rest: at the boot it is not waited for, in a guest that goes on from a snapshot it would be',
    file: 'kernel/workqueue.c',
    anchor: '			BUG_ON(!create_worker(pool));\n',
    after: '			BUG_ON(!create_worker(pool));\n',
  },
  {
    why: 'until the generator is seeded each random number takes two hashes of the pool, a second in all: rng_seed=, which is mixed in with the command line, counts',
    file: 'drivers/char/random.c',
    anchor: '	_mix_pool_bytes(command_line, strlen(command_line));\n',
    after: '	if (strstr(command_line, "rng_seed="))\n		_credit_init_bits(256);\n',
  },
]
