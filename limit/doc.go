// Package limit finds the highest number of attempts in flight that a provider
// accepts, and what else it minds: how long it counts a slot after its end, how
// far apart it wants starts. It is pure: evidence goes in, a limit comes out.
//
// # Model
//
// A provider decides at the moment in which a call starts. It refuses the call if
// those it is working on, those that it still counts although they are over, and
// those of programs that nobody here sees are as many as its limit; or if starts
// come too often; or because an earlier refusal has shut it for a while; or for no
// reason. It does not say which, changes all of it without notice, and keeps no
// queue, so that latency carries no signal: learners that read delay (TCP Vegas,
// gradient limiters) are blind here, and run at a third to a half of their starts
// refused.
//
// The evidence is whether a start was accepted, and its features: its level (the
// number in flight, itself included), how long before it the last start and the
// last releases were. An acceptance shows with the first good byte, a second or two
// after the start and long before the answer ends. It plays the part of TCP's
// acknowledgement: climbing costs a first byte a level, not a call.
//
// # The ladder
//
//   - Climb. While somebody waits, one start may go one above the stable level n: a
//     probe. If it is accepted, n rises, and the next probe may follow at once.
//   - Count as the provider does. A start proves its level only if the provider
//     counted as many as we did: not if one of those in flight with it turns out to
//     have been refused, or ended within 20 ms of it, so that its end was on its way;
//     and not if slots that only may still count were among them. As evidence for
//     what follows, too, refused companions are taken off again. Starts within 20 ms
//     may reach the provider in another order: a refused one counts those made right
//     after it as before it, and a probe keeps that far from the last start. Without this, a
//     wave of starts of which one is refused makes all others look like proof of a
//     level that nobody reached, and a release lag cannot be told from noise.
//   - Budget. A refused probe costs a token and doubles the pause before the next
//     (10 s to 8 min). An accepted start earns 0.009 of a token ([Config.Eager]), so
//     voluntary refusals stay just under one in a hundred: Finagle's retry budget, a
//     deposit a success. Two tokens are paid in advance.
//   - Retest. A refusal at or below n is doubted, not believed: its level gets one
//     more start at a calm moment, when neither a start nor a release was less than a
//     rest ago (half a mean call, 0.5 s to 5 s; at most four rests of waiting).
//     Refused again: n falls to one below the lowest refused level. Accepted: time
//     was the cure, n stays, and the cause is looked for. Lower levels go on
//     meanwhile. Of all rules this one is worth most: without it noise costs half of
//     the goodput.
//   - Waves. Starts made before a refusal was known belong to its wave: they lower the
//     doubted level and count no further. One wave is one cut.
//   - Score. A refusal adds 2.5 to its level's score, an acceptance takes 0.27 off:
//     Page's cumulative sum of a quarter refused against a fiftieth. Above 8 the level
//     is failing and is cut without a retest.
//   - Cuts go to just below what was refused. With limits of 1 to 10 a factor is one or
//     two levels anyway, and a level lost costs a probe to win back.
//   - Gate. A provider's hint shuts the lane until then. Without one the second refusal
//     in a row shuts it for 1 s, the next for 2 s and so on to a minute. After a
//     refusal, and at a level not accepted for ten minutes, starts are 0.4 s apart,
//     longer than a refusal takes: a limit that fell overnight costs one refusal and not
//     a wave. After the second refusal in a row the next start waits for the verdict on
//     the last: the one that passes must not be followed into the next shut.
//   - Patience. Refusals right after a refused probe may be its doing. Then nothing is
//     cut before the seventh, and when the lane opens no probe is made before fifty
//     times as long as it was shut: probing costs at most a fiftieth of the time.
//   - Holding. A probe without a verdict for 20 s where first bytes come much sooner
//     (TCP's mean and deviation of round trips) is a refusal without words: the
//     provider keeps what is too much waiting. Where first bytes are that slow it is
//     none.
//
// # What time has cured
//
// A window of the last 32 decided starts tells what a cured refusal was:
//
//   - Lag. For each length of a grid, count what was in flight plus the releases younger
//     than that. A lag is found if that count parts refused starts from accepted ones
//     with at most a third of the mistakes that the number in flight alone makes. The
//     joint count needs no experiment; "refused soon after a release" alone would
//     blame the lag for every fall, since under load each start follows a release.
//     Abandoned slots have a lag of their own. A lag that has been found holds each
//     slot for so long.
//   - Pace. A threshold on the space since the last start that was not refused, likewise,
//     but only if no lag explains as much. It is at most 12 s, or a minute where the
//     provider says in words that it minds.
//   - Rate. If all levels fail right after a climb, those below its beginning too, and
//     that twice in half an hour, starts are spaced as they came on average: a number of
//     starts a window behaves like that, a limit does not.
//   - Else it was noise. The score remembers.
//
// Lag and pace are bracketed by what explains the window and found by bisection (see
// gap.go): six accepted starts near a value prove it, one refusal says that it is too
// short, or two where noise has been met. A settled value is looked at from below after
// 200 starts; a look that is refused doubles the pause to the next. A value that nothing
// ever contradicted from below was chance, and goes. What a lag or a pace explains was
// no failed probe: a token comes back, and the next probe is due.
//
// # Constants
//
// docs/learner.md has for each what half and twice its value cost, measured by the
// laboratory over all families.
//
// # Bound and blind spots
//
// The attempts in flight never exceed n plus one probe, slots on hold included.
//
// Following a rise costs refusals or time, whatever the learner: with steps of size d at
// rate r, calls of mean length S and level L, the lost share times the share of refused
// probes is about r·d·S / (2·L²). A fall by k costs at least k+1 refusals, one a level
// and one to tell it from noise. At L = 1 there are 225 starts an hour, so that 0.9 % is
// one probe in half an hour.
//
// The learner cannot tell a soft limit from noise at one level, nor a limit that moves up
// and down by one from a program that it does not see: what falls again and again from the
// same level is called an outsider. A lag that differs each time must be held at its
// upper end. Refusals for no reason are refused whatever one does.
//
// # Sources
//
// TCP slow start (acknowledgement clocking), RFC 6298 (round trips), BBR (probe briefly,
// keep the estimate in between), Page 1954 (cumulative sums), Finagle's retry budgets,
// noisy binary search, packet pair (spacing shows the bottleneck). The constants were
// found by simulation.
package limit
