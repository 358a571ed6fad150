"""The verdict and the table on made-up rounds: `python3 -m unittest`, in this folder, with nothing installed."""

import unittest
from types import SimpleNamespace

import report
from contest import Result
from contestants import NAMES, PEERS, chosen, takes_part
from kernels import by_kernels, convolutions
from machine import Processor, Ticks, Watch, limits
from problem import Problem, gist
from verdict import FASTER, SLOWER, UNDECIDED, compare


class Verdict(unittest.TestCase):
    """`compare(peer's rounds, onestep's rounds)`."""

    def test_who_wins_every_round_and_both_ratios_is_ahead(self):
        ours = [100.0, 104.0, 98.0, 101.0, 99.0]
        found = compare([time * 1.2 for time in ours], ours)
        self.assertEqual(found.verdict, FASTER)
        for ratio in (found.of_medians, found.of_rounds, found.least, found.largest):
            self.assertAlmostEqual(ratio, 1.2)
        self.assertEqual(compare(ours, [time * 1.2 for time in ours]).verdict, SLOWER)

    def test_ratios_that_contradict_the_medians_decide_nothing(self):
        # Slower by the medians, 937 against 893 ms, though ahead in two rounds of three.
        ours, peer = [700.0, 937.0, 1000.0], [826.0, 893.0, 1180.0]
        found = compare(peer, ours)
        self.assertLess(found.of_medians, 1.0)
        self.assertAlmostEqual(found.of_rounds, 1.18)
        self.assertEqual(found.verdict, UNDECIDED)

    def test_rounds_on_both_sides_of_one_decide_nothing(self):
        found = compare([120.0, 125.0, 99.0, 130.0, 121.0], [100.0] * 5)
        self.assertGreater(min(found.of_medians, found.of_rounds), 1.15)
        self.assertEqual((found.least, found.verdict), (0.99, UNDECIDED))

    def test_one_round_in_eight_may_disagree(self):
        rounds = [120.0] * 7 + [90.0]
        self.assertEqual(compare(rounds, [100.0] * 8).verdict, FASTER)
        self.assertEqual(compare(rounds[1:], [100.0] * 7).verdict, UNDECIDED)
        self.assertEqual(compare([100.0] * 8, rounds).verdict, SLOWER)
        self.assertEqual(compare([120.0] * 6 + [90.0] * 2, [100.0] * 8).verdict, UNDECIDED)

    def test_less_than_a_hundredth_apart_decides_nothing(self):
        self.assertEqual(compare([100.9] * 5, [100.0] * 5).verdict, UNDECIDED)
        self.assertEqual(compare([100.0] * 5, [100.9] * 5).verdict, UNDECIDED)
        self.assertEqual(compare([101.1] * 5, [100.0] * 5).verdict, FASTER)

    def test_a_single_round_decides_only_a_factor_of_two(self):
        self.assertEqual(compare([190.0], [100.0]).verdict, UNDECIDED)
        self.assertEqual(compare([210.0], [100.0]).verdict, FASTER)
        self.assertEqual(compare([100.0], [210.0]).verdict, SLOWER)

    def test_who_was_retired_is_compared_in_its_own_round(self):
        found = compare([3000.0], [200.0, 100.0, 100.0])
        self.assertEqual((found.of_medians, found.of_rounds, found.rounds), (30.0, 15.0, 1))
        self.assertEqual(found.verdict, FASTER)
        self.assertIsNone(compare([], [100.0]))

    def test_no_verdict_contradicts_what_it_is_made_of(self):
        rounds = [80.0, 99.0, 101.0, 130.0]
        for ours in ([a, b, c] for a in rounds for b in rounds for c in rounds):
            for peer in ([a, b, c] for a in rounds for b in rounds for c in rounds):
                found, back = compare(peer, ours), compare(ours, peer)
                opposite = {FASTER: SLOWER, SLOWER: FASTER, UNDECIDED: UNDECIDED}
                self.assertEqual(back.verdict, opposite[found.verdict], (peer, ours))
                if found.verdict == FASTER:
                    self.assertGreater(min(found.of_medians, found.of_rounds, found.least), 1.0)


def contest(precision="f32", training=False, **rounds):
    """A contest that has been run, with these times of the contestants by name."""
    titles = {peer.name: peer.title for peer in PEERS}
    results = {}
    for name, times in rounds.items():
        name = name.replace("_", "-")
        results[name] = Result(
            name, titles.get(name, name), list(times), largest=2e-7, rms=3e-8, peak_memory_bytes=512 << 20
        )
    watch = Watch(busy=[0.0, 0.1], load=[0.5, 1.0], ceilings=[200.0, 210.0, 205.0])
    watch.start, watch.end = Ticks(0, 0, 0), Ticks(500, 10, 1500)
    about = {"flop": 3.1e9, "parameters": 1_300_000}
    return SimpleNamespace(
        results=results, watch=watch, about=about, precision=precision, training=training, batch=8, peers=[]
    )


def lines(made, rounds=3):
    return list(report.table(made, "emoji", 2, rounds))


class Table(unittest.TestCase):
    def test_the_sentence_is_about_the_peer_that_the_table_shows_as_fastest(self):
        # The ratios of its rounds would make the other one the fastest peer.
        made = contest(onestep=[100.0, 200.0, 300.0], eager=[250.0, 260.0, 270.0], openvino=[150.0, 270.0, 290.0])
        text = lines(made)
        order = [line.split()[0] for line in text if "e-07" in line or "reference" in line]
        self.assertEqual(order, [">", "PyTorch", "OpenVINO"])
        self.assertIn(
            "  Undecided: the fastest peer, PyTorch, takes 1.30 times as long by the medians, 1.30 round by round (0.90 to "
            "2.50).",
            text,
        )
        self.assertIn("  Undecided beside OpenVINO too.", text)

    def test_ahead_behind_and_undecided_are_said_in_words_and_marked(self):
        made = contest(onestep=[100.0] * 3, eager=[150.0] * 3, channels_last=[90.0] * 3, openvino=[100.5] * 3)
        text = lines(made)
        self.assertIn(
            "  onestep is slower: the fastest peer, PyTorch channels-last, takes 0.90 times as long by the medians, 0.90 "
            "round by round (0.90 to 0.90).",
            "\n".join(text).replace("\n    ", " "),
        )
        self.assertIn("  Undecided beside OpenVINO.", text)
        marked = [line.split()[0] for line in text if "1.00? " in line]
        self.assertEqual(len(marked), 1)
        self.assertFalse([line for line in text if "1.50?" in line or "0.90?" in line])

    def test_a_single_round_has_no_range(self):
        text = lines(contest(onestep=[100.0], eager=[150.0], openvino=[900.0]), rounds=1)
        self.assertIn("  Undecided: the fastest peer, PyTorch, takes 1.50 times as long in its only round.", text)
        self.assertFalse([line for line in text if "(9.00" in line])

    def test_no_line_is_wider_than_120_columns(self):
        rounds = {peer.name.replace("-", "_"): [12345.6, 23456.7, 9876.5] for peer in PEERS}
        made = contest("bf16", onestep=[12345.6, 13456.7, 11111.1], **rounds)
        for result in made.results.values():
            result.notes = ["compiled in 1234 s, which is not timed", "convolutions by AMX tiles (99 %), AVX-512 (1 %)"]
            result.notes.append("timed in the first round only")
            result.largest, result.rms, result.peak_memory_bytes = 1.2e-2, 3.4e-3, 12345 << 20
        made.watch.megahertz = [1234.0, 3456.0]
        text = [*lines(made), *report.LEGEND.splitlines()]
        self.assertLessEqual(max(map(len, text)), 120, max(text, key=len))

    def test_the_state_of_the_machine_stands_beside_the_table(self):
        text = lines(contest(onestep=[100.0] * 3, eager=[150.0] * 3))
        self.assertIn(
            "  Machine: ceiling 200 to 210 GFLOP/s · others 0.0 to 0.1 CPUs · load 0.5 to 1.0 · steal 1.0 %", text
        )
        self.assertFalse([line for line in text if "quiet machine" in line])

    def test_a_machine_that_others_use_is_complained_of(self):
        made = contest(onestep=[100.0] * 3, eager=[150.0] * 3)
        made.watch.busy, made.watch.ceilings, made.watch.end = [0.4, 0.6], [100.0, 200.0], Ticks(500, 100, 1500)
        self.assertIn(
            "  Measure again on a quiet machine: other programs kept 0.5 CPUs busy between the rounds; the host took 10 % "
            "of the CPU time; the ceiling went from 100 to 200 GFLOP/s.",
            "\n".join(lines(made)).replace("\n    ", " "),
        )

    def test_who_failed_has_a_line_and_no_verdict(self):
        made = contest(onestep=[100.0] * 3, compile=[], eager=[150.0] * 3)
        made.results["compile"].failure = "needs a C++ compiler, and there is no `g++` here"
        text = lines(made)
        self.assertTrue(any(line.split()[:2] == ["torch.compile", "needs"] for line in text))
        told = report.record(made, "emoji", 2)
        found = {entry["name"]: entry["onestep_is"] for entry in told["contestants"]}
        self.assertEqual(found, {"onestep": None, "compile": None, "eager": FASTER})
        self.assertEqual((told["machine"]["steal"], told["ceiling_gflops"]), (0.01, 205.0))
        made.results["onestep"].failure = "refused"
        self.assertFalse([line for line in lines(made) if "onestep is" in line or "ndecided" in line])


class Machine(unittest.TestCase):
    def test_instructions_for_bf16_are_known_by_their_flags(self):
        def of(flags, name="flags\t\t"):
            return Processor.of(f"processor\t: 0\nmodel name\t: Some CPU \n{name}: {flags}\nvmx flags\t: bf16\n")

        self.assertEqual(of("fpu amx_bf16 avx512_bf16").bf16, ("AMX tiles", "AVX512-BF16"))
        self.assertIn("bf16 by AMX tiles and AVX512-BF16", of("fpu amx_bf16 avx512_bf16").about())
        self.assertIn("no bf16 instructions", of("fpu avx2").about())
        self.assertEqual(of("asimd bf16", "Features\t").bf16, ("Arm's",))
        self.assertTrue(of("fpu hypervisor").virtual)
        unknown = Processor.of("processor\t: 0\n")
        self.assertIsNone(unknown.bf16)
        self.assertNotIn("bf16", unknown.about())

    def test_steal_is_a_part_of_the_time_that_was_wanted(self):
        start = Ticks.of("cpu  100 0 50 1000 20 0 0 10 0 0\ncpu0 1 1 1 1\n")
        end = Ticks.of("cpu  160 0 70 1900 20 0 0 30 0 0\n")
        self.assertEqual((start.idle, start.stolen, start.total), (1020, 10, 1180))
        self.assertAlmostEqual(end.stolen_since(start), 0.2)
        self.assertEqual(start.stolen_since(start), 0.0)

    def test_what_holds_a_library_back_is_named(self):
        self.assertEqual(limits({"ONEDNN_MAX_CPU_ISA": "AVX2", "HOME": "/"}), ["ONEDNN_MAX_CPU_ISA=AVX2"])

    def test_kernels_are_read_from_what_onednn_prints(self):
        text = """\
onednn_verbose,v1,info,cpu,isa:Intel AVX10.1 and Intel AMX
onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32 dst:f32,attr:,,64x64x3x3,50.0
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core,forward_training,src,attr,alg,mb8,0.5
onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx10_1_512_amx,forward_training,src,attr,alg,mb8,1.0
onednn_verbose,v1,primitive,exec,cpu,convolution,jit:avx10_1_512_amx,backward_data,src,attr,alg,mb8,0.5
"""
        found = convolutions(text.splitlines())
        self.assertEqual(sum(found.values()), 2.0)
        self.assertEqual(by_kernels(found), "convolutions by AMX tiles (75 %), AVX-512 (25 %)")
        self.assertEqual(by_kernels({"brgconv_avx512_amx_bf16": 9}), "convolutions by AMX tiles")
        self.assertEqual(by_kernels({}), "no convolutions of oneDNN")


class Failures(unittest.TestCase):
    def test_of_a_compiler_s_many_lines_those_are_shown_that_say_something(self):
        message = "C++ compile error\n\nCommand:\ng++ -O3 a.cpp\n\nOutput:\na.cpp:1:10: fatal error: Python.h: gone\n"
        self.assertEqual(gist(message), "C++ compile error: a.cpp:1:10: fatal error: Python.h: gone")
        self.assertEqual(gist("one\ntwo"), "one")
        self.assertEqual(gist(" "), "without a message")


class Contestants(unittest.TestCase):
    def test_some_can_be_left_out(self):
        self.assertEqual([peer.name for peer in chosen(["openvino", "eager"])], ["eager", "openvino"])
        rest = [peer.name for peer in chosen(NAMES, ["compile"])]
        self.assertEqual(rest, [name for name in NAMES if name != "compile"])
        with self.assertRaises(Problem):
            chosen(NAMES, ["abacus"])

    def test_every_way_of_pytorch_has_its_rows(self):
        def rows(precision, training):
            return [peer.name for peer in PEERS if takes_part(peer, precision, training)]

        eager = ["eager", "channels-last", "eager-pages", "channels-last-pages"]
        self.assertEqual(
            rows("bf16", False),
            [*eager, "bf16-weights", "compile", "compile-bf16-weights", "openvino"],
        )
        self.assertEqual(rows("bf16", True), [*eager, "compile", "compile-default"])
        self.assertNotIn("bf16-weights", rows("f32", False))
        self.assertIn("onnxruntime", rows("f32", False))


if __name__ == "__main__":
    unittest.main()
