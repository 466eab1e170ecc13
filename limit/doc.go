// Package limit finds the highest number of attempts in flight that a provider
// accepts. It is pure: evidence goes in, a limit comes out.
//
// # Model
//
// A provider counts the attempts that it is working on and refuses the one
// that would be too many. It does not say the number, changes it without
// notice, and sometimes refuses for reasons of its own. There is no queue in
// front of the refusal, so latency carries no signal (learners such as TCP
// Vegas or gradient limiters are blind here); the only evidence is whether a
// start was accepted. A start's level is the number of attempts in flight, itself
// included. Acceptance shows with the first good byte, long before the answer
// ends, and plays the part of TCP's acknowledgement.
//
// # Rules
//
//   - Climb. While somebody waits, one start may go one above the stable level:
//     a probe. If it is accepted, the level is stable and the next probe may
//     follow at once, so that climbing costs a first byte a level. A probe
//     without a verdict for 20 s stops being one.
//     A start proves its level only if the provider counted as many as we did:
//     not if one of those in flight with it turns out to have been refused, or
//     ended within 20 ms of it, so that its end was on its way to us.
//   - Budget. A refused probe costs a token and doubles the pause before the
//     next (10 s to 8 min). An accepted start earns 0.009 of a token, up to 3, so
//     voluntary refusals stay just under one in a hundred. Half of it halves
//     the refusals and follows a rise more slowly; twice of it does the reverse.
//     Two tokens are paid in advance. A cap of 1.5 loses goodput where starts
//     must be spaced, one of 6 buys nothing; a debt deeper than -1 strangles
//     recovery.
//   - Retest. A refusal at or below the stable level is doubted, not believed:
//     the doubted level gets one more start, at a calm moment, when neither
//     a start nor a release was less than a rest ago (half a mean call, 0.7 s to
//     5 s, at most four rests of waiting). Refused again: the limit falls to one
//     below the lowest refused level. Accepted: time was the cure and the limit
//     stays. Lower levels go on meanwhile. Without the retest, noise costs half
//     of the goodput.
//   - Waves. Starts made before a refusal was known belong to its wave: they
//     lower the doubted level and count no further. One wave is one cut.
//   - Score. A refusal adds 2.5 to its level's score, an acceptance takes 0.27
//     off: Page's cumulative sum of a quarter refused against a fiftieth. Above
//     8 the level is failing and is cut without a retest. At 5 plain noise cuts,
//     at 12 soft limits cost a little more.
//   - Gate. A provider's hint shuts the lane until then. Without one the second
//     refusal in a row shuts it for 1 s, the next for 2 s and so on to a minute.
//     After a refusal, and at a level that was not accepted for ten minutes, starts
//     are 0.4 s apart, so that a limit which fell overnight costs one refusal and
//     not a wave. A probe that a hint punished is not repeated before fifty times
//     its length: probing may cost one fiftieth of the time.
//   - Cuts go to just below what was refused. Cutting by a factor loses levels
//     that hold, and each costs a probe to win back.
//
// # Bound and blind spots
//
// The attempts in flight never exceed the stable level plus one probe. Following
// a rise costs refusals or time: with steps of size d at rate r, calls of mean
// length S and level L, the lost share times the share of refused probes is
// about r·d·S / (2·L²), whatever the learner. The learner cannot tell a program
// that it does not see from a limit that moves; it takes every cured refusal for
// noise. It keeps a window of samples (see [Sample]) from which the time since
// the last start and the last releases can be judged.
//
// Sources: TCP slow start (acknowledgement clocking), BBR (probe briefly, keep
// the estimate in between), Page 1954 (cumulative sums), Finagle's retry budgets
// (a deposit a success). The constants were found by simulation.
package limit
