//! What happens when something fails while several processes train: the job ends, in time and with the right exit code, and goes on from
//! its last checkpoint to the bits of a run that nothing befell.
//!
//! Those that need a file system or a network of their own are made for root, and say that they are skipped elsewhere.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::documented::root;
use super::ranks::{alone, assert_same, mpirun, rank_program, ranks, toy};
use super::{checkpoint, expect, onestep, stderr};

/// Long enough for anything to be done in the middle of it.
const STEPS: usize = 4000;

/// Seconds that the death of a rank may take to end the job on one machine.
const DEATH: f64 = 5.0;

/// The processes of a rank under a launcher.
fn rank_pid(folder: &Path, rank: usize) -> Option<u32> {
    let wanted = format!("OMPI_COMM_WORLD_RANK={rank}");
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let here = fs::read_link(entry.path().join("cwd")).ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let is_rank = environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes());
        (is_rank && here == folder.canonicalize().ok()?).then_some(pid)
    })
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Waits until a run has saved a step of its own.
fn wait_for_checkpoint(run: &Path) {
    let begin = Instant::now();
    while !run.join("latest").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "no checkpoint in {}", run.display());
        sleep(Duration::from_millis(10));
    }
}

/// The end of a job, and how many seconds it took from now on.
fn ended(child: Child) -> (Output, f64) {
    let begin = Instant::now();
    let output = child.wait_with_output().expect("the job ends");
    (output, begin.elapsed().as_secs_f64())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0))
}

/// A run of two ranks to which something is done after its first checkpoint; how it ended, and after how many seconds.
fn befallen(home: &Path, out: &str, more: &[&str], what: impl FnOnce(&mut Child)) -> Option<(Output, f64)> {
    let mut arguments = toy(STEPS);
    arguments.extend(more.iter().map(ToString::to_string));
    let mut child = ranks(home, 2, &["toy2d-ct", "--out", out], &arguments)?.spawn().expect("mpirun starts");
    wait_for_checkpoint(&home.join(out));
    what(&mut child);
    Some(ended(child))
}

/// Goes on to a step soon after where the run is, by so many ranks, and compares with a run that nothing befell.
fn goes_on(home: &Path, out: &str, n: usize) {
    let state = fs::read_to_string(home.join(out).join("latest")).unwrap();
    let step: usize = state.trim().trim_start_matches("step-").parse().unwrap();
    let steps = format!("train.steps={}", step + 7);
    let more = ["--set".to_owned(), steps.clone(), "--extend".into(), "end".into()];
    let resumed = ranks(home, n, &["--resume", "--out", out], &more).unwrap().output().unwrap();
    expect(&resumed, 0);
    let whole = format!("{out}-whole");
    let mut arguments: Vec<String> = ["train", "toy2d-ct", "--out", &whole].map(String::from).to_vec();
    arguments.extend(toy(STEPS));
    // The same schedule, ended at the same step.
    arguments.extend(["--set".into(), steps, "--set".into(), format!("train.schedule_steps={STEPS}")]);
    expect(&onestep(home, &arguments.iter().map(String::as_str).collect::<Vec<_>>()), 0);
    let without_state = |run: &str| -> Vec<(String, Vec<u8>)> {
        checkpoint(&home.join(run)).into_iter().filter(|(name, _)| name != "state.json").collect()
    };
    assert_same(&without_state(&whole), &without_state(out), out);
}

#[test]
fn a_killed_rank_ends_the_job_and_the_run_goes_on_by_another_number_of_ranks() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for (rank, resumed_by) in [(1, 4), (0, 1)] {
        let out = format!("killed-{rank}");
        let done = befallen(home, &out, &[], |_| signal(rank_pid(home, rank).expect("the rank"), "KILL"));
        let Some((output, seconds)) = done else { return };
        assert_eq!(code(&output), 137, "{}", stderr(&output));
        assert!(seconds < DEATH, "{seconds} s");
        goes_on(home, &out, resumed_by);
    }
}

#[test]
fn an_aborted_rank_ends_the_job() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let done = befallen(home, "aborted", &[], |_| signal(rank_pid(home, 1).expect("the rank"), "ABRT"));
    let Some((output, seconds)) = done else { return };
    assert_eq!(code(&output), 134, "{}", stderr(&output));
    assert!(seconds < DEATH, "{seconds} s");
}

/// A frozen process answers no heartbeat: the other ends the job.
#[test]
fn a_frozen_rank_ends_the_job_within_the_watchdog() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for rank in [0, 1] {
        let out = format!("frozen-{rank}");
        let done = befallen(home, &out, &["--watchdog", "2"], |_| {
            signal(rank_pid(home, rank).expect("the rank"), "STOP");
        });
        let Some((output, seconds)) = done else { return };
        assert_eq!(code(&output), 75, "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("rank {rank} was not heard of")), "{}", stderr(&output));
        assert!(seconds < 2.0 + 10.0, "{seconds} s");
        if rank == 0 {
            goes_on(home, &out, 2);
        }
    }
}

/// A panic that only unwound would be waited for by the others, for ever; a rank that hangs goes on answering heartbeats; one that exits
/// says nothing at all.
#[test]
fn ranks_that_panic_hang_or_exit_end_the_job() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for (fault, expected, limit, message) in [
        ("panic", 101, DEATH, "asked to"),
        ("exit", 7, DEATH, ""),
        ("hang", 75, 12.0, "rank 1 does not come"),
    ] {
        let Some(mut command) = mpirun(home) else { return };
        command.args(["-n", "2"]).arg(rank_program()).args([fault, "100000", fault, "1", "30"]);
        let (output, seconds) = ended(command.spawn().unwrap());
        assert_eq!(code(&output), expected, "{fault}: {}", stderr(&output));
        assert!(stderr(&output).contains(message), "{fault}: {}", stderr(&output));
        // From the start of the program on.
        assert!(seconds < limit + 10.0, "{fault}: {seconds} s");
        assert!(home.join(fault).join("ckpt/step-00000020").is_dir(), "{fault}");
    }
}

/// Stopped again and again, wherever the signal comes: all ranks end at one step, saved, with 75.
#[test]
fn ranks_asked_to_stop_end_at_the_same_step() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let times = std::env::var("ONESTEP_STOPS").ok().and_then(|times| times.parse().ok()).unwrap_or(5);
    for time in 0..times {
        let out = format!("stopped-{time}");
        // One rank alone, or all of them by the launcher, and now and then several kinds at once.
        let done = befallen(home, &out, &[], |child| {
            sleep(Duration::from_millis(37 * time % 300));
            match time % 3 {
                0 => signal(rank_pid(home, 1).expect("the rank"), "TERM"),
                1 => signal(child.id(), "USR1"),
                _ => signal(rank_pid(home, 0).expect("the rank"), "HUP"),
            }
        });
        let Some((output, seconds)) = done else { return };
        // `mpirun` itself answers USR1 with the code of its processes as well.
        assert_eq!(code(&output), 75, "{}", stderr(&output));
        assert!(seconds < DEATH, "{seconds} s");
        let said = stderr(&output);
        let step =
            said.lines().find_map(|line| line.strip_prefix("stopped after step ")).expect("it says where");
        let step: u64 = step.split(' ').next().unwrap().parse().unwrap();
        let latest = fs::read_to_string(home.join(&out).join("latest")).unwrap();
        assert_eq!(latest.trim(), format!("step-{step:08}"), "saved where it stopped");
    }
    goes_on(home, "stopped-0", 2);
}

/// Whoever sends a storm of signals wants it over: the first is heeded, a later one ends at once, and what was saved stays whole.
#[test]
fn storms_of_signals_leave_the_last_checkpoint_whole() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    for (number, name) in ["TERM", "HUP"].into_iter().enumerate() {
        let out = format!("storm-{number}");
        let done = befallen(home, &out, &[], |_| {
            for _ in 0..50 {
                for rank in [0, 1] {
                    if let Some(pid) = rank_pid(home, rank) {
                        signal(pid, name);
                    }
                }
            }
        });
        let Some((output, seconds)) = done else { return };
        assert_eq!(code(&output), 75, "{}", stderr(&output));
        assert!(seconds < DEATH, "{seconds} s");
        goes_on(home, &out, 2);
    }
}

/// Processors of two kinds compute other bits: this is found, and named, before anything of it is saved.
#[test]
fn ranks_that_compute_unlike_are_found_out() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let Some(mut command) = mpirun(home) else { return };
    let onestep = env!("CARGO_BIN_EXE_onestep");
    let common = |command: &mut Command| {
        command
            .args([onestep, "train", "toy2d-ct", "--out", "unlike"])
            .args(toy(200))
            .args(["--set", "train.batch=8"]);
    };
    command.args(["-n", "1"]);
    common(&mut command);
    command.args([":", "-n", "1", "-x", "ONESTEP_INSTRUCTIONS=portable"]);
    common(&mut command);
    let output = command.output().unwrap();
    let said = stderr(&output);
    if said.contains("is no level") || code(&output) == 0 {
        // On a machine whose best is that level anyway, both compute alike.
        eprintln!("skipped: this machine has one level alone\n{said}");
        return;
    }
    assert_eq!(code(&output), 70, "{said}");
    assert_eq!(said.matches("rank 1 and rank 0 differ in the weights").count(), 1, "{said}");
}

/// A rank that is slow, and stands still now and then, is waited for.
#[test]
fn a_slow_rank_is_waited_for() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let Some(mut command) = ranks(home, 2, &["toy2d-ct", "--out", "slow", "--watchdog", "3"], &toy(200))
    else {
        return;
    };
    let mut child = command.spawn().unwrap();
    wait_for_checkpoint(&home.join("slow"));
    while child.try_wait().unwrap().is_none() {
        if let Some(pid) = rank_pid(home, 1) {
            signal(pid, "STOP");
            sleep(Duration::from_millis(200));
            signal(pid, "CONT");
        }
        sleep(Duration::from_millis(100));
    }
    expect(&child.wait_with_output().unwrap(), 0);
    assert_same(&alone(home, "whole", 200), &checkpoint(&home.join("slow")), "slow");
}

/// The wall clock may jump: nothing that is computed reads it, and the watchdog looks at another one.
#[test]
fn a_clock_that_jumps_changes_nothing() {
    let Some(library) =
        ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1"]
            .into_iter()
            .find(|path| Path::new(path).exists())
    else {
        eprintln!("skipped: there is no libfaketime");
        return;
    };
    let home = TempDir::new().unwrap();
    let home = home.path();
    let clock = home.join("clock");
    fs::write(&clock, "+0").unwrap();
    let Some(mut command) = ranks(home, 2, &["toy2d-ct", "--out", "jumps", "--watchdog", "2"], &toy(400))
    else {
        return;
    };
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut child = command.spawn().unwrap();
    let mut jumps = ["-10d", "+400d", "-3600", "+86400"].iter().cycle();
    while child.try_wait().unwrap().is_none() {
        fs::write(&clock, jumps.next().unwrap()).unwrap();
        sleep(Duration::from_millis(100));
    }
    expect(&child.wait_with_output().unwrap(), 0);
    assert_same(&alone(home, "whole", 400), &checkpoint(&home.join("jumps")), "jumps");
}

/// A folder of its own size, or one that is not to be written; only root makes such.
struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&folder).unwrap();
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder).output();
        if !done.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_ends_the_job_and_leaves_the_last_checkpoint() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    // Room for two checkpoints of the toy and not for the one that is being written beside them.
    let Some(disk) = Mounted::new(home.join("small"), "12m") else { return };
    let done = befallen(home, "small/run", &[], |_| {
        fs::write(disk.0.join("others"), vec![1; 64 << 20]).unwrap_err();
    });
    let Some((output, seconds)) = done else { return };
    assert_eq!(code(&output), 73, "{}", stderr(&output));
    assert!(stderr(&output).contains("small/run"), "{}", stderr(&output));
    assert!(seconds < 60.0, "{seconds} s");
    fs::remove_file(disk.0.join("others")).unwrap();
    let leftovers = fs::read_dir(disk.0.join("run/ckpt")).unwrap().filter_map(Result::ok);
    assert!(leftovers.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with(".tmp")));
    disk.remount("size=64m");
    goes_on(home, "small/run", 2);
}

#[test]
fn a_disk_that_becomes_read_only_ends_the_job_at_the_next_save() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    let Some(disk) = Mounted::new(home.join("disk"), "64m") else { return };
    let done = befallen(home, "disk/run", &[], |_| {
        // As a whole it cannot be made so while the run's log is open; its checkpoints can.
        let checkpoints = disk.0.join("run/ckpt");
        for options in [vec!["--bind"], vec!["-o", "remount,ro,bind"]] {
            let mut mount = Command::new("mount");
            mount.args(options).arg(&checkpoints);
            if mount.get_args().any(|argument| argument == "--bind") {
                mount.arg(&checkpoints);
            }
            assert!(mount.status().unwrap().success());
        }
    });
    let _ = Command::new("umount").arg(disk.0.join("run/ckpt")).status();
    let Some((output, seconds)) = done else { return };
    assert!([73, 74].contains(&code(&output)), "{}: {}", code(&output), stderr(&output));
    assert!(stderr(&output).contains("disk/run"), "{}", stderr(&output));
    assert!(seconds < 60.0, "{seconds} s");
    goes_on(home, "disk/run", 2);
}

/// Two hosts that are namespaces of one, and a cable between them that is cut.
struct Hosts {
    names: [String; 2],
}

impl Hosts {
    fn new() -> Option<Self> {
        let id = std::process::id() % 100_000;
        let names = [format!("onestep-a{id}"), format!("onestep-b{id}")];
        let hosts = Self { names };
        let ip = |arguments: &str| {
            let done = Command::new("ip").args(arguments.split(' ')).output();
            done.is_ok_and(|output| output.status.success())
        };
        let [a, b] = &hosts.names;
        let (left, right) = (format!("os{id}a"), format!("os{id}b"));
        let made = ip(&format!("netns add {a}"))
            && ip(&format!("netns add {b}"))
            && ip(&format!("link add {left} type veth peer name {right}"))
            && ip(&format!("link set {left} netns {a}"))
            && ip(&format!("link set {right} netns {b}"))
            && ip(&format!("-n {a} addr add 10.77.0.1/24 dev {left}"))
            && ip(&format!("-n {b} addr add 10.77.0.2/24 dev {right}"))
            && [a, b].iter().all(|host| ip(&format!("-n {host} link set lo up")))
            && ip(&format!("-n {a} link set {left} up"))
            && ip(&format!("-n {b} link set {right} up"));
        if made {
            return Some(hosts);
        }
        eprintln!("skipped: no network namespaces can be made here");
        None
    }

    /// What `mpirun` calls in the place of ssh.
    fn agent(&self, folder: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("agent");
        let [a, b] = &self.names;
        let script = format!(
            "#!/bin/sh\nhost=$1; shift\ncase $host in 10.77.0.1) name={a};; *) name={b};; esac\nexec ip netns exec $name sh -c \"$*\"\n"
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn cut(&self) {
        let link = format!("os{}a", std::process::id() % 100_000);
        let _ = Command::new("ip").args(["-n", &self.names[0], "link", "set", &link, "down"]).status();
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let pids = Command::new("ip").args(["netns", "pids", name]).output();
            for pid in pids.iter().flat_map(|output| output.stdout.split(|&byte| byte == b'\n')) {
                if let Some(pid) = std::str::from_utf8(pid).ok().and_then(|pid| pid.parse().ok()) {
                    signal(pid, "KILL");
                }
            }
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

/// Two hosts by TCP train to the bits of one; when the cable is cut, the ranks on both sides end within the watchdog and ten seconds, and
/// the launcher too, which would wait for its daemon on the other side as long as its system does.
#[test]
fn a_cut_network_ends_both_sides() {
    let home = TempDir::new().unwrap();
    let home = home.path();
    if mpirun(home).is_none() {
        return;
    }
    let Some(hosts) = Hosts::new() else { return };
    let agent = hosts.agent(home);
    let job = |out: &str, steps: usize| {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &hosts.names[0]])
            .arg(root().join("contrib/cluster/mpirun-watched"))
            .args(["--oversubscribe", "--bind-to", "none"])
            .args(["--mca", "plm_rsh_agent"])
            .arg(&agent)
            .args(["--host", "10.77.0.1,10.77.0.2", "-n", "2", "--mca", "btl", "tcp,self"])
            .args([
                "--mca",
                "btl_tcp_if_include",
                "10.77.0.0/24",
                "--mca",
                "oob_tcp_if_include",
                "10.77.0.0/24",
            ])
            .args(["--mca", "oob_tcp_keepalive_time", "3", "--mca", "oob_tcp_keepalive_intvl", "1"])
            .args(["--mca", "oob_tcp_keepalive_probes", "3"])
            .args(["-x", "RAYON_NUM_THREADS=1", env!("CARGO_BIN_EXE_onestep"), "train", "toy2d-ct"])
            .args(["--out", out, "--watchdog", "4"])
            .args(toy(steps))
            .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let whole = job("tcp", 50).output().unwrap();
    expect(&whole, 0);
    assert_same(&alone(home, "whole", 50), &checkpoint(&home.join("tcp")), "over TCP");

    // Not into pipes: Open MPI's daemon on the other side, which waits for its network, would hold them open.
    let mut child = job("cut", 1_000_000).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for_checkpoint(&home.join("cut"));
    hosts.cut();
    let begin = Instant::now();
    let both = || [0, 1].iter().filter(|&&rank| rank_pid(home, rank).is_some()).count();
    while both() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(14), "{} ranks are still there", both());
        sleep(Duration::from_millis(100));
    }
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the launcher is still there");
        sleep(Duration::from_millis(100));
    }
    assert!(!child.wait().unwrap().success());
}
