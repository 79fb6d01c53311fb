//! From source to a tree that is cheap to evaluate: names are resolved, functions found, limits held.
//!
//! The parser recurses, clones what calls are made on, and takes its tree down recursively. So its input is held against
//! the limits first, token by token: what passes has at most [`MAX_CEL_NODES`] parts and [`MAX_CEL_DEPTH`] brackets inside
//! of each other, and no tree of more can come out of it.

use ::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue, operators,
};
use ::cel::parser::pratt_parser::{Lexer, TokenKind};
use ::cel::parser::{ParseErrors, PrattParser};

use super::ConditionError;
use super::functions::{self, Function};
use crate::limits::{MAX_CEL_BYTES, MAX_CEL_COMPREHENSIONS, MAX_CEL_DEPTH, MAX_CEL_NODES};
use crate::text::excerpt;

/// One part of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Literal(Literal),
    Fact(String),
    Local { name: String, slot: usize },
    Field { of: Box<Node>, name: String },
    Has { of: Box<Node>, name: String },
    Index(Box<[Node; 2]>),
    List(Vec<Node>),
    Map(Vec<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Choice(Box<[Node; 3]>),
    Binary(Binary, Box<[Node; 2]>),
    Call(Function, Vec<Node>),
    Each(Box<Each>),
}

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

/// An operator that always looks at both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equals,
    NotEquals,
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
    In,
}

/// A macro that goes through a list, or through the keys of a map. The element is the local variable in `slot`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Each {
    pub(super) range: Node,
    pub(super) slot: usize,
    pub(super) body: Body,
}

/// What a macro does with each element.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    All(Node),
    Exists(Node),
    ExistsOne(Node),
    /// `map`, `filter` and both at once.
    Collect {
        filter: Option<Node>,
        transform: Node,
    },
}

/// Compiles a condition over facts with these names.
pub(super) fn compile(source: &str, facts: &[&str]) -> Result<Node, ConditionError> {
    if source.len() > MAX_CEL_BYTES {
        return Err(ConditionError::TooLong { got: source.len() });
    }
    check_tokens(source)?;
    let depth = u16::try_from(MAX_CEL_DEPTH).unwrap_or(u16::MAX);
    // The first error ends it: what the parser would make of the rest is of no use to anybody.
    let parser = PrattParser::new().max_recursion_depth(depth).error_recovery_limit(0);
    let tree = parser.parse(source).map_err(|errors| syntax(source, &errors))?;
    let root = Lowering { facts, locals: Vec::new() }.node(tree, 1)?;
    match root.not_boolean() {
        Some(got) => Err(ConditionError::NotBoolean { got }),
        None => Ok(root),
    }
}

/// Holds what the parser will do against the limits, without recursion.
fn check_tokens(source: &str) -> Result<(), ConditionError> {
    let mut lexer = Lexer::new(source);
    let (mut parts, mut open) = (0usize, 0usize);
    loop {
        let token = lexer.lex();
        match token.kind {
            TokenKind::TokEnd => return Ok(()),
            TokenKind::TokError => {
                let message = lexer.get_error().map(|error| error.message.as_str()).unwrap_or_default();
                let (line, column) = place(source, token.start);
                return Err(ConditionError::Syntax { line, column, message: excerpt(message) });
            }
            TokenKind::TokWhitespace
            | TokenKind::TokComment
            | TokenKind::TokDot
            | TokenKind::TokComma
            | TokenKind::TokColon => {}
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                open = open.saturating_sub(1);
            }
            kind => {
                if matches!(kind, TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace) {
                    open = open.saturating_add(1);
                }
                if kind != TokenKind::TokLeftParen {
                    parts = parts.saturating_add(1);
                }
            }
        }
        if open >= MAX_CEL_DEPTH {
            return Err(ConditionError::TooDeep);
        }
        if parts > MAX_CEL_NODES {
            return Err(ConditionError::TooManyNodes);
        }
    }
}

/// The parser's first error that has a place.
fn syntax(source: &str, errors: &ParseErrors) -> ConditionError {
    let placed = errors.errors.iter().find(|error| error.pos.0 > 0).or(errors.errors.first());
    let (line, octet) = placed.map_or((1, 1), |error| error.pos);
    let number = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
    let before = source.split_inclusive('\n').take(number(line).saturating_sub(1)).map(str::len).sum::<usize>();
    let (line, column) = place(source, before.saturating_add(number(octet)).saturating_sub(1));
    let message = placed.map(|error| error.msg.as_str()).unwrap_or_default();
    ConditionError::Syntax { line, column, message: excerpt(message) }
}

/// Line and character of an octet, both from 1.
fn place(source: &str, octet: usize) -> (u32, u32) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    let before = source.get(..octet).unwrap_or(source);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (number(before.matches('\n').count()), number(line.chars().count()))
}

struct Lowering<'s> {
    facts: &'s [&'s str],
    locals: Vec<String>,
}

impl Lowering<'_> {
    /// Recursion ends at [`MAX_CEL_DEPTH`].
    fn node(&mut self, tree: IdedExpr, depth: usize) -> Result<Node, ConditionError> {
        if depth > MAX_CEL_DEPTH {
            return Err(ConditionError::TooDeep);
        }
        let below = depth.saturating_add(1);
        match tree.expr {
            Expr::Literal(literal) => literal_node(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                let of = Box::new(self.node(*select.operand, below)?);
                let name = select.field;
                Ok(if select.test { Node::Has { of, name } } else { Node::Field { of, name } })
            }
            Expr::List(list) => Ok(Node::List(self.nodes(list.elements, below)?)),
            Expr::Map(map) => self.map(map.entries, below),
            Expr::Call(call) => self.call(call, below),
            Expr::Comprehension(each) => self.each(*each, below),
            Expr::Struct(_) | Expr::Unspecified => not_offered("messages", "a map"),
        }
    }

    fn nodes(&mut self, trees: Vec<IdedExpr>, depth: usize) -> Result<Vec<Node>, ConditionError> {
        trees.into_iter().map(|tree| self.node(tree, depth)).collect()
    }

    fn name(&self, name: String) -> Result<Node, ConditionError> {
        // The innermost one of a name counts (langdef.md, "Name Resolution").
        if let Some(slot) = self.locals.iter().rposition(|local| *local == name) {
            return Ok(Node::Local { name, slot });
        }
        if self.facts.contains(&name.as_str()) {
            return Ok(Node::Fact(name));
        }
        let known = if self.facts.is_empty() { "none".to_owned() } else { self.facts.join(", ") };
        Err(ConditionError::UnknownName { name: excerpt(&name), known })
    }

    fn map(&mut self, entries: Vec<IdedEntryExpr>, depth: usize) -> Result<Node, ConditionError> {
        let mut lowered = Vec::with_capacity(entries.len());
        for entry in entries {
            let EntryExpr::MapEntry(entry) = entry.expr else { return not_offered("messages", "a map") };
            let key = self.node(entry.key, depth)?;
            if !matches!(&key, Node::Literal(Literal::Text(_))) && matches!(&key, Node::Literal(_)) {
                return not_offered("maps with keys that are no strings", "strings as keys");
            }
            lowered.push([key, self.node(entry.value, depth)?]);
        }
        Ok(Node::Map(lowered))
    }

    fn call(&mut self, call: CallExpr, depth: usize) -> Result<Node, ConditionError> {
        let CallExpr { func_name: name, target, args } = call;
        // No source can name a function as operators are named here.
        let operator = match name.as_str() {
            operators::LOGICAL_NOT => Node::Not(Box::new(self.only(args, depth)?)),
            operators::NEGATE => Node::Negate(Box::new(self.only(args, depth)?)),
            operators::LOGICAL_AND => Node::And(self.several(args, depth)?),
            operators::LOGICAL_OR => Node::Or(self.several(args, depth)?),
            operators::CONDITIONAL => Node::Choice(self.several(args, depth)?),
            operators::INDEX => Node::Index(self.several(args, depth)?),
            other => match binary(other) {
                Some(operator) => Node::Binary(operator, self.several(args, depth)?),
                None => {
                    let function = functions::find(&name, target.is_some(), args.len())?;
                    let args = target.into_iter().map(|target| *target).chain(args).collect();
                    Node::Call(function, self.nodes(args, depth)?)
                }
            },
        };
        Ok(operator)
    }

    fn only(&mut self, args: Vec<IdedExpr>, depth: usize) -> Result<Node, ConditionError> {
        let [node] = *self.several::<1>(args, depth)?;
        Ok(node)
    }

    fn several<const N: usize>(&mut self, args: Vec<IdedExpr>, depth: usize) -> Result<Box<[Node; N]>, ConditionError> {
        let nodes = self.nodes(args, depth)?.try_into().map_err(|_| unexpected())?;
        Ok(Box::new(nodes))
    }

    /// What a macro became (langdef.md, "Macros"). The parser writes each of them in one way, with a variable that no source
    /// can name, so the shape says which one it was; and the loop over a copied result becomes one that appends.
    fn each(&mut self, macro_: ComprehensionExpr, depth: usize) -> Result<Node, ConditionError> {
        let range = self.node(macro_.iter_range, depth)?;
        let slot = self.locals.len();
        if slot >= MAX_CEL_COMPREHENSIONS {
            return Err(ConditionError::Comprehensions);
        }
        self.locals.push(macro_.iter_var);
        let body = self.body(macro_.accu_init.expr, macro_.loop_step.expr, depth);
        self.locals.truncate(slot);
        Ok(Node::Each(Box::new(Each { range, slot, body: body? })))
    }

    fn body(&mut self, start: Expr, step: Expr, depth: usize) -> Result<Body, ConditionError> {
        let Expr::Call(step) = step else { return Err(unexpected()) };
        let chooses = step.func_name == operators::CONDITIONAL;
        match start {
            Expr::Literal(LiteralValue::Boolean(start)) => {
                let [_, condition] = arguments(step)?;
                let condition = self.node(condition, depth)?;
                Ok(if start.into_inner() { Body::All(condition) } else { Body::Exists(condition) })
            }
            Expr::Literal(LiteralValue::Int(_)) if chooses => {
                let [condition, _, _] = arguments(step)?;
                Ok(Body::ExistsOne(self.node(condition, depth)?))
            }
            Expr::List(_) if chooses => {
                let [condition, appended, _] = arguments(step)?;
                let filter = Some(self.node(condition, depth)?);
                Ok(Body::Collect { filter, transform: self.appended(appended.expr, depth)? })
            }
            Expr::List(_) => {
                let transform = self.appended(Expr::Call(step), depth)?;
                Ok(Body::Collect { filter: None, transform })
            }
            _ => Err(unexpected()),
        }
    }

    /// The `x` of `@result + [x]`.
    fn appended(&mut self, sum: Expr, depth: usize) -> Result<Node, ConditionError> {
        let Expr::Call(sum) = sum else { return Err(unexpected()) };
        let [_, list] = arguments(sum)?;
        let Expr::List(ListExpr { elements, .. }) = list.expr else { return Err(unexpected()) };
        self.only(elements, depth)
    }
}

impl Node {
    /// What it gives, where that is no truth value for certain. Recursion is as deep as the tree.
    fn not_boolean(&self) -> Option<&'static str> {
        match self {
            Self::Literal(literal) => match literal {
                Literal::Bool(_) => None,
                Literal::Null => Some("null"),
                Literal::Int(_) | Literal::Double(_) => Some("a number"),
                Literal::Text(_) => Some("a string"),
            },
            Self::List(_) => Some("a list"),
            Self::Map(_) => Some("a map"),
            Self::Negate(_) => Some("a number or a duration"),
            Self::Binary(operator, _) => operator.not_boolean(),
            Self::Call(function, _) => function.not_boolean(),
            Self::Each(each) => matches!(each.body, Body::Collect { .. }).then_some("a list"),
            Self::Choice(parts) => {
                let [_, yes, no] = &**parts;
                yes.not_boolean().and(no.not_boolean())
            }
            _ => None,
        }
    }
}

impl Binary {
    /// As it is written.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equals => "==",
            Self::NotEquals => "!=",
            Self::Less => "<",
            Self::LessEquals => "<=",
            Self::Greater => ">",
            Self::GreaterEquals => ">=",
            Self::In => "in",
        }
    }

    const fn not_boolean(self) -> Option<&'static str> {
        match self {
            Self::Add => Some("a sum"),
            Self::Subtract => Some("a difference"),
            Self::Multiply => Some("a product"),
            Self::Divide | Self::Modulo => Some("a quotient"),
            _ => None,
        }
    }
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        operators::ADD => Binary::Add,
        operators::SUBSTRACT => Binary::Subtract,
        operators::MULTIPLY => Binary::Multiply,
        operators::DIVIDE => Binary::Divide,
        operators::MODULO => Binary::Modulo,
        operators::EQUALS => Binary::Equals,
        operators::NOT_EQUALS => Binary::NotEquals,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::LessEquals,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::GreaterEquals,
        operators::IN => Binary::In,
        _ => return None,
    })
}

fn literal_node(literal: LiteralValue) -> Result<Node, ConditionError> {
    Ok(Node::Literal(match literal {
        LiteralValue::Null => Literal::Null,
        LiteralValue::Boolean(value) => Literal::Bool(value.into_inner()),
        LiteralValue::Int(value) => Literal::Int(value.into_inner()),
        LiteralValue::Double(value) => Literal::Double(value.into_inner()),
        LiteralValue::String(value) => Literal::Text(value.into_inner()),
        LiteralValue::UInt(_) => return not_offered("unsigned integers", "an int, without the letter u"),
        LiteralValue::Bytes(_) => return not_offered("bytes", "a string"),
    }))
}

fn not_offered<T>(what: &'static str, instead: &'static str) -> Result<T, ConditionError> {
    Err(ConditionError::NotOffered { what, instead })
}

fn arguments<const N: usize>(call: CallExpr) -> Result<[IdedExpr; N], ConditionError> {
    call.args.try_into().map_err(|_| unexpected())
}

/// The pinned parser never gets here; another one might.
fn unexpected() -> ConditionError {
    ConditionError::Syntax { line: 1, column: 1, message: "the parser gave an unknown form".to_owned() }
}
