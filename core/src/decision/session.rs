//! One decision over several rounds of evidence.

use super::verdict::Verdict;
use super::{Checks, Question, Reason, Step, decide};
use crate::evidence::{Evidence, Outcome};
use crate::limits::MAX_ROUNDS;
use crate::policy::PolicySet;

/// An open question. It ends after [`MAX_ROUNDS`] rounds at the latest.
#[derive(Debug)]
pub struct Session {
    question: Question,
    evidence: Evidence,
    checks: Checks,
    rounds: u32,
}

impl Session {
    /// Opens a question and takes the first step.
    pub fn open(policies: &PolicySet, question: Question) -> (Self, Step) {
        let mut session = Self { question, evidence: Evidence::default(), checks: Checks::default(), rounds: 0 };
        let step = session.step(policies);
        (session, step)
    }

    /// Adds what came of the needs and takes the next step.
    pub fn supply(&mut self, policies: &PolicySet, outcomes: impl IntoIterator<Item = (String, Outcome)>) -> Step {
        for (need, outcome) in outcomes {
            self.evidence.insert(need, outcome);
        }
        self.step(policies)
    }

    fn step(&mut self, policies: &PolicySet) -> Step {
        let step = decide(policies, &self.question, &self.evidence, &mut self.checks);
        if matches!(step, Step::Settled(_)) {
            return step;
        }
        self.rounds = self.rounds.saturating_add(1);
        if self.rounds > MAX_ROUNDS {
            let (limit, got) = (u64::from(MAX_ROUNDS), u64::from(self.rounds));
            return Verdict::unsettled(&self.question.image, Reason::Budget { what: "rounds of evidence", limit, got });
        }
        step
    }
}
